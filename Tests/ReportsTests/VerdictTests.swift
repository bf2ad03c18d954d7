import Basics
import Foundation
import FoundationXML
import Records
import TestSupport
import Testing

@testable import Reports

/// The words that a page opens with. Records are written as the stages write them; what is wrong with each run is in them.
@Suite struct VerdictTests {
  private func verdict(_ make: (inout RunFixture) throws -> [ReportedStage]) throws -> Verdict {
    let scratch = try Scratch()
    defer { withExtendedLifetime(scratch) {} }
    var fixture = RunFixture(scratch.url)
    return try #require(try Report.verdict(compared: make(&fixture), options: ReportTests.options))
  }

  @Test func aSoundRunSaysItsNumberAndThatNothingNeedBeDone() throws {
    let verdict = try verdict { try $0.compared() }
    #expect(
      verdict.answers == [
        "dF of 0 < phi < 2 rad against the rest is 3.81 kT (95 %: 3.74 to 3.88), by boltzmann (energy-model ebm): the state holds 2.2 % of "
          + "the molecule's weight."
      ])
    #expect(
      verdict.agreement == [
        "boltzmann and traced differ by 0.02 kT. They weight the same samples ('fresh'), so this tests the log-densities alone: what the "
          + "samples miss, both miss.",
        "boltzmann and umbrella agree: they differ by 0.05 kT, 0.9 joint standard errors of 0.05 kT.",
        "The trajectory by itself would give 0.85 kT (30 % of the frames of 'frames' lie in the state): it stands without an error here.",
      ])
    #expect(
      verdict.support == [
        "boltzmann: 5,000 samples are worth 34.0 % of their number; the heaviest tail has shape 0.37 (sound up to 0.7).",
        "traced: 5,000 samples are worth 19.0 % of their number; the heaviest tail has shape 0.37 (sound up to 0.7).",
        "umbrella: 40 windows; its halves give 3.87 and 3.84 kT.",
      ])
    #expect(verdict.doubts.isEmpty)
    #expect(verdict.standing == .sound)
    #expect(verdict.next.hasPrefix("nothing need be done. The answer is dF = 3.81 kT (95 %: 3.74 to 3.88)"))
  }

  /// dF of the exploration's emulator is not to be believed, whatever its weights look like; that of umbrella sampling stays.
  @Test func aMissingModeIsTheFirstThingThatIsSaid() throws {
    let verdict = try verdict { fixture in
      let compared = try fixture.compared()
      return try compared + [fixture.exploration(of: compared[0])]
    }
    #expect(
      verdict.answers == [
        "dF of 0 < phi < 2 rad against the rest is 3.86 kT (95 %: 3.78 to 3.94), by umbrella (umbrella sampling, MBAR): the state holds "
          + "2.1 % of the molecule's weight."
      ])
    #expect(
      verdict.doubts == [
        .init(
          isGrave: true,
          text:
            "explored: the emulator misses phi from 0.52 to 1.31 rad, which has at least 0.62 % of the Boltzmann weight; dF moves by -0.31 kT or more with it.",
          cure:
            "train with its frames too: add explored.h5 (from the run folder) to the 'trajectory' of 'frames', and run again"
        )
      ])
    #expect(verdict.next == verdict.doubts.first?.cure)
    #expect(verdict.standing == .doubts)
    #expect(
      verdict.terminalText.components(separatedBy: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ").contains(
        "NOT TO BE BELIEVED: explored: the emulator misses phi from 0.52 to 1.31 rad"))
  }

  @Test func windowsThatDoNotHoldTogetherAreNoReference() throws {
    let verdict = try verdict { fixture in
      var compared = try fixture.compared()
      compared[2] = try fixture.windows(weakestLink: 0.0004, deltaF: 7.9)
      return compared
    }
    #expect(verdict.answers[0].contains("is 3.81 kT (95 %: 3.74 to 3.88), by boltzmann"))
    #expect(
      verdict.doubts == [
        .init(
          isGrave: true,
          text:
            "gapped: its windows do not hold together: the weakest overlap is 0.0004 where 0.03 is needed, so the free energy across that gap is made up.",
          cure:
            "more windows there, or a smaller force constant ('windows' and 'force_constant' of stage 'gapped')"
        )
      ])
    #expect(verdict.next == verdict.doubts.first?.cure)
    #expect(verdict.agreement.contains { $0.hasPrefix("boltzmann and gapped DISAGREE: they differ by 4.09 kT") })
  }

  @Test func heldBondsSpoilEveryNumberOfTheEmulator() throws {
    let held = Remark(
      "prod.nc: 12 bonds were held at one length and stay so: an emulator of these frames has no part of a flexible force field's distribution, and weights by one cannot mend that",
      .grave, cure: "write constraints: flexible", subject: .heldBonds)
    let verdict = try verdict { try $0.weighted(.held(held)) }
    #expect(
      verdict.answers == [
        "No stage gives a dF of 0 < phi < 2 rad against the rest that may be believed; traced gives 2.10 kT (95 %: 1.90 to 2.30), and the reasons against stand below."
      ])
    #expect(verdict.standing == .notBelieved)
    #expect(
      verdict.doubts.first
        == .init(
          isGrave: true, text: "frames: \(held.text).",
          cure:
            "let their lengths be drawn anew (or keep them, with 'rigid'): write `constraints: flexible` at 'frames' in own.yaml, then run it again"
        ))
    #expect(verdict.next == verdict.doubts.first?.cure)
  }

  @Test func tooLittleTrainingLeavesNoNumberAndSaysWhatToTrain() throws {
    let verdict = try verdict { try $0.weighted(.untrained) }
    #expect(
      verdict.answers == ["dF of 0 < phi < 2 rad against the rest is not determined by traced (stochastic-trace)."])
    #expect(verdict.standing == .noNumber)
    #expect(
      verdict.doubts == [
        .init(
          isGrave: true,
          text:
            "traced: phi in (0, 2) rests on 2.3 effective samples (10 are the least), so its dF is not determined.",
          cure:
            "the emulator is far from the Boltzmann distribution, train it longer: write `training: { steps: 400 }` (now 200) at 'emulator' in own.yaml, then run it again"
        )
      ])
    #expect(verdict.next == verdict.doubts.first?.cure)
    #expect(
      verdict.support == [
        "traced: 5,000 samples are worth 0.3 % of their number; phi in (0, 2) rests on 2 effective ones and elsewhere rests on 12 effective ones; the heaviest sample has 21 % of the weight."
      ])
  }

  /// An energy model that is off is named, and what is trained longer is the model and not the emulator.
  @Test func aPoorEnergyModelIsNotBelieved() throws {
    let verdict = try verdict { try $0.compared(modelError: 1.8) }
    #expect(verdict.answers[0].contains("is 3.79 kT (95 %: 3.72 to 3.86), by traced"))
    #expect(verdict.doubts.map(\.isGrave) == [true])
    #expect(verdict.doubts[0].text.hasPrefix("ebm: its log-density is off by 1.80 nat rms (at most 1 is bearable)"))
    #expect(verdict.doubts[0].cure.contains("at 'ebm' in") && !verdict.doubts[0].cure.contains("emulator"))
  }

  /// An audit stands for what it audits, and says what it found.
  @Test func anAuditedNumberComesFirst() throws {
    let verdict = try verdict { fixture in
      let compared = try fixture.compared()
      return try [compared[0], fixture.audit(of: compared[0]), compared[2]]
    }
    #expect(verdict.answers[0].contains("is 3.84 kT (95 %: 3.79 to 3.89), by audit"))
    #expect(verdict.agreement[0].contains("one corrects the other"))
    #expect(verdict.support.contains("audit: exact likelihoods of 2,000 samples move dF by 0.031 ± 0.020 kT."))
  }

  /// What differs by more than three joint errors is said to disagree, and neither is called right.
  @Test func independentAnswersThatDisagreeAreDoubtful() throws {
    let verdict = try verdict { fixture in
      var compared = try fixture.compared()
      compared[2] = try fixture.windows(weakestLink: 0.1, deltaF: 4.3)
      return compared
    }
    #expect(verdict.doubts.count == 1 && verdict.doubts[0].isGrave == false)
    #expect(verdict.doubts[0].text.hasPrefix("boltzmann and gapped DISAGREE: they differ by 0.49 kT, 9."))
    #expect(verdict.next.contains("uses: explore, reweight: boltzmann"))
  }

  /// A large error tells little where answers are near, and hides nothing where they are far.
  @Test func aLargeErrorHidesNoDisagreement() throws {
    func outcome(_ deltaF: Double) throws -> String {
      try verdict { fixture in
        var compared = try fixture.compared()
        compared[2] = try fixture.windows(weakestLink: 0.1, deltaF: deltaF, error: 0.5)
        return compared
      }.agreement.first { $0.contains("gapped") } ?? ""
    }
    #expect(try outcome(4.3).contains("agrees with nearly everything"))
    #expect(try outcome(12).contains("DISAGREE: they differ by 8.19 kT"))
  }

  /// A command can be pasted: it is never broken.
  @Test func commandsStayOnOneLine() {
    let text =
      "train it longer, which is what helps here: `training: { steps: 400 }` (now 200)"
    let lines = Verdict.wrapped(text, width: 40).components(separatedBy: "\n")
    #expect(
      lines.count > 2 && lines.contains { $0.contains("`training: { steps: 400 }`") })
    #expect(lines.joined(separator: " ").split(separator: " ") == text.split(separator: " "))
  }

  /// Each sentence says of which pair it is; what holds for all pairs is said once.
  @Test func severalPairsAreNamed() throws {
    let verdict = try verdict { try $0.pairs() }
    #expect(
      verdict.agreement.prefix(3) == [
        "boltzmann and traced differ by 0.01 kT (B against A) and 0.00 kT (C against A). They weight the same samples ('fresh'), so this "
          + "tests the log-densities alone: what the samples miss, both miss.",
        "B against A: boltzmann and umbrella agree: they differ by 0.02 kT, 0.3 joint standard errors of 0.06 kT.",
        "C against A: boltzmann and umbrella agree: they differ by 0.07 kT, 1.1 joint standard errors of 0.06 kT.",
      ])
  }

  /// Walks up and down that are far apart are a doubt, whatever the halves say.
  @Test func walkingDirectionsThatDisagreeAreNamed() throws {
    let verdict = try verdict { fixture in
      var compared = try fixture.compared()
      compared[2] = try fixture.windows(weakestLink: 0.1, deltaF: 3.89, error: 0.5, directions: [4.72, 3.16])
      return compared
    }
    #expect(
      verdict.doubts.map(\.text) == [
        "gapped: its walking directions disagree: up 4.72 and down 3.16 kT; its error counts that, roughly."
      ])
    #expect(verdict.support.contains { $0.contains("its walking directions give up 4.72 and down 3.16 kT") })
  }

  /// A cycle answers the same question as the weights. Where its forward works say otherwise, neither is believed.
  @Test func aCycleSpeaksForTheWeightsOrAgainstThem() throws {
    func report(_ forward: Double) throws -> (Report, Verdict) {
      let scratch = try Scratch()
      var fixture = RunFixture(scratch.url)
      var compared = try fixture.compared()
      compared.removeFirst()  // traced, umbrella, cycle
      compared.append(try fixture.cycle(beside: compared[0], forward: forward))
      return (
        try Report(compared: compared, options: ReportTests.options),
        try #require(try Report.verdict(compared: compared, options: ReportTests.options))
      )
    }
    let (page, near) = try report(3.85)
    #expect(near.answers.count == 1 && near.answers[0].contains("0 < phi < 2 rad against the rest"), "\(near.answers)")
    #expect(!near.doubts.contains { $0.text.contains("forward works") })
    #expect(
      near.agreement.contains(
        "traced and cycle differ by 0.01 kT; they share samples ('fresh'). What the cycle finds without them stands in its own section."
      ), "\(near.agreement)")
    #expect(!near.agreement.contains { $0.contains("one corrects the other") && $0.contains("cycle") })
    let section = try #require(page.sections.first { $0.title == "Thermodynamic cycle" })
    #expect(
      section.tables[0].rows == [
        ["cycle", "0 < phi < 2 rad - elsewhere", "4.200 ± 0.050", "3.800 ± 0.050", "3.850 ± 0.050", "3.790 ± 0.050"]
      ])
    #expect(
      section.tables[1].rows[0] == [
        "cycle", "0 < phi < 2 rad", "0.00 ± 0.03", "0.02 ± 0.03", "not determined", "120 / 4", "90",
      ])
    #expect(section.tables[1].rows[1][2] == "0.40")
    let (_, far) = try report(4.6)
    let told = try #require(far.doubts.first { $0.text.contains("forward works") })
    #expect(
      told.text.contains("4.60 ± 0.05 kT by forward works")
        && told.text.contains("3.79 ± 0.05 kT by the weights of traced"))
    #expect(near.answers[0].contains("by traced") && far.answers[0].contains("by umbrella"), "\(far.answers)")
  }

  /// With named states each pair has its answer. Works whose tail is too heavy to be believed speak against nothing.
  @Test(arguments: [0.4, 0.9]) func aCycleOfNamedStates(tail: Double) throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let weighted = try fixture.compared()[1]
    let cycle = try fixture.cycle(beside: weighted, forward: 4.6, tail: tail, names: ["alpha", "beta"])
    let options = Report.Options(
      title: "alanine", temperature: 300, state: "alpha against beta", torsion: "phi", isOfNamedStates: true,
      limits: RunFixture.limits)
    let verdict = try #require(try Report.verdict(compared: [cycle], options: options))
    #expect(verdict.answers.count == 1 && verdict.answers[0].contains("dF of alpha against beta"), "\(verdict.answers)")
    let told = verdict.doubts.contains {
      $0.isGrave && $0.text.contains("dF of alpha and beta under the target is 4.60")
    }
    #expect(told == (tail < 0.7), "\(verdict.doubts)")
  }

  /// The ensemble is part of the answer, and the file stands as the user named it.
  @Test func theSolventAndTheFileAreNamed() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    var readers = Report.Readers()
    readers.surroundings = { $0.contains("obc2") ? "in OBC2 implicit water" : nil }
    let options = Report.Options(
      title: "alanine", temperature: 300, state: "0 < phi < 2 rad", torsion: "phi", limits: RunFixture.limits,
      readers: readers, pipelineFile: "mine/own.yaml")
    let verdict = try #require(try Report.verdict(compared: fixture.weighted(.untrained), options: options))
    #expect(verdict.next.hasSuffix("at 'emulator' in mine/own.yaml, then run it again"))
    let sound = try #require(try Report.verdict(compared: fixture.compared(), options: options))
    #expect(sound.answers[0].hasSuffix(" It is of the molecule alone in OBC2 implicit water, at 300 K."))
  }

  @Test func warningsAreRankedAndNotesAreNone() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let remarks = [
      Remark("known", .note), Remark("doubtful", cure: "look again"), Remark("wrong", .grave), Remark("plain"),
    ]
    let report = try Report(compared: fixture.compared(remarks: remarks), options: ReportTests.options)
    #expect(report.warnings.map(\.remark.text) == ["wrong", "doubtful", "plain", "known"])
    let page = try ReportPage(report).html(plotly: nil)
    #expect(
      page.contains("<li class=\"is-note\"><span class=\"kind\">Note</span> <strong>umbrella</strong>: known</li>"))
    #expect(page.contains("What helps:</strong> look again."))
    #expect(report.terminalText.contains("note     umbrella: known"))
    #expect(report.terminalText.contains("WARNING  umbrella: doubtful. Look again"))
    #expect(report.terminalText.hasPrefix("dF of 0 < phi < 2 rad"))
  }
}

@Suite struct ReportFiguresTests {
  @Test func eachFigureIsADrawingWithItsNumbers() throws {
    let scratch = try Scratch()
    var fixture = RunFixture(scratch.url)
    let report = try Report(compared: fixture.compared(), options: ReportTests.options)
    let folder = scratch.url.appendingPathComponent("figures")
    let names = try ReportFigures(report).write(to: folder)
    #expect(names.count == 2 * report.sections.flatMap(\.figures).count)
    let profile = try String(contentsOf: folder.appendingPathComponent("profile.csv"), encoding: .utf8)
      .split(separator: "\n")
    #expect(profile[0] == "series,phi / rad,free energy / kT,low,high")
    let first = profile.first { $0.hasPrefix("boltzmann,") }?.split(separator: ",").compactMap { Double($0) } ?? []
    let expected = 8 * (1 - cos(first[0] + 1.4))
    #expect(abs(first[1] - expected) < 1e-12 && abs(first[2] - (expected - 0.1)) < 1e-12)
    for name in names where name.hasSuffix(".svg") {
      let parser = XMLParser(data: try Data(contentsOf: folder.appendingPathComponent(name)))
      #expect(parser.parse(), "\(name): \(String(describing: parser.parserError))")
    }
  }
}

@Suite struct MoleculeDrawingTests {
  /// A flat molecule is seen from above, whatever way it lies in space, and atoms in front are drawn last.
  @Test func looksAlongTheFlattestAxis() throws {
    let molecule = MoleculeDrawing.Molecule(elements: ["C", "C", "O", "H"], bonds: [[0, 1], [1, 2], [0, 3]])
    // three heavy atoms in the plane y = 0, a hydrogen out of it
    let frame = [0.0, 0, 0, 0.15, 0, 0.03, 0.28, 0, -0.04, -0.03, 0.1, 0.02]
    let svg = try #require(MoleculeDrawing(molecule, coordinates: frame, label: "a <b>")).svg
    #expect(svg.components(separatedBy: "fill=\"#e03131\"").count == 2)
    #expect(svg.components(separatedBy: "<line ").count == 1 + 3 * 2 * 2)
    #expect(svg.contains("aria-label=\"a &lt;b&gt;\""))
    let box = svg.components(separatedBy: "viewBox=\"0 0 ")[1].prefix { $0 != "\"" }.split(separator: " ").compactMap {
      Double($0)
    }
    // as wide as the chain and its margin, at 420 pixels a nanometre
    #expect(box.count == 2 && box[0] > 420 * 0.28 && box[0] < 420 * 0.45 && box[1] < box[0])
    // the same molecule turned: the same picture
    let turned = stride(from: 0, to: 12, by: 3).flatMap { [frame[$0 + 1], frame[$0 + 2], frame[$0]] }
    #expect(MoleculeDrawing(molecule, coordinates: turned, label: "a <b>")?.svg == svg)
    #expect(MoleculeDrawing(molecule, coordinates: [.nan] + frame.dropFirst(), label: "") == nil)
    #expect(MoleculeDrawing(molecule, coordinates: [0, 0, 0], label: "") == nil)
  }
}
