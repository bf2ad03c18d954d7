/// What words of verdicts, tables and captions mean, as docs/glossary.md has it: a page is read where that is not at hand.
enum Words {
  static let all: [(word: String, meaning: String)] = [
    (
      "dF",
      "-ln(P(state) / P(elsewhere)), or of the two states of a pair, in kT. Positive: the first is the rarer one. An error of 0.1 kT is an error of 10 % in the ratio of populations."
    ),
    (
      "Standard error, interval",
      "\"3.83 ± 0.01\" is a standard error; \"3.82 to 3.85\" is a 95 % interval. Both come from the data themselves (bootstrap) and know nothing of places that were never visited."
    ),
    (
      "Bootstrap",
      "The same estimate from samples drawn anew out of the samples there are, many times: its spread is the error."
    ),
    (
      "Emulator",
      "A generative model that draws conformations quickly, with populations like those of its training frames, right or wrong. (Also: Boltzmann emulator, flow.)"
    ),
    (
      "Log-density (ln q)",
      "The logarithm of the density with which the emulator draws a conformation. Weights need it."
    ),
    (
      "Thermometer",
      "Temperature of the frames over that of the force field, coordinate by coordinate, by Stein's identity. 1 where frames and force field belong together."
    ),
    ("Weight", "exp(-u) / q: how much a sample counts in the Boltzmann distribution."),
    (
      "ESS (Kish)",
      "Effective sample size, (Σw)² / Σw²: how many equally weighted samples the weighted ones are worth for estimating averages. Given as a share of all samples. It stays high when a whole state was missed."
    ),
    (
      "Effective samples (of a state)",
      "The same number of the samples in that state alone. With fewer than 10 there is no number, with fewer than 50 its interval may be too narrow."
    ),
    (
      "Of its mixture",
      "The ESS over that of a perfect sampler which draws the states in the same shares: what is lost within the states, and not by how often each is drawn."
    ),
    (
      "Truncated ESS",
      "The same without the 0.2 % largest weights. Shown for comparison with other work; nothing else is truncated. Dropped is how many these are."
    ),
    (
      "Tail (Pareto shape)",
      "How heavy the tail of the weights is. Above 0.5 their variance is infinite, above 0.7 sums over them are not to be believed, above 1 they have no mean."
    ),
    (
      "Audit, correction",
      "Exact likelihoods of some of the reweighted samples: how wrong ln q was, what that did to dF (the correction), and a corrected dF."
    ),
    (
      "Overlap",
      "How far two windows sample the same conformations. Windows without a chain of overlaps say nothing about each other; the weakest link of the chain is what holds them together."
    ),
    (
      "Halves, walking directions",
      "Estimates from the first and the second half of the samples, and from walks that came from opposite sides. Where they disagree, the error is widened."
    ),
    (
      "Correlation time, statistical inefficiency",
      "How long a torsion remembers; how many samples in a row are worth one."
    ),
    (
      "Place, basin; changes",
      "A stretch of a torsion that it stays in, between two borders where it is rarest; how often it went from one to another. Populations are known from changes, and not from frames."
    ),
    (
      "T-W2",
      "Distance between two distributions of torsions, in rad: how far probability has to be carried on the torus (2-Wasserstein)."
    ),
    ("E-W2", "The same for distributions of energies, in kT."),
    (
      "KL divergence",
      "How far one density is from another: the mean of the difference of their logarithms, in nat; 0 where they are the same. Of systems alone whose density is known."
    ),
  ]
}
