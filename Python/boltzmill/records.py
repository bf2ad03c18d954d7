"""The fields of all artifacts, by stage type. Made from the program's declarations, not to be edited:
pipeline schema --artifacts --json | Tools/python_records.py > new && mv new Python/boltzmill/records.py
"""
import numpy as np
from numpy.typing import NDArray

from .artifact import Stage
from .fields import Below, Family, Field, Group, array, text, texts

VERSION = '0.1.0'


class SimulateResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class SimulateResultsRuns(Group):
    transitions = Field('results/runs/transitions', "changes of the state, or of the first pair's first state", array(np.int64), axes=('run',))
    exits = Field('results/runs/exits', 'exits from the state', array(np.int64), axes=('run',))
    state_population = Field('results/runs/state_population', 'share of frames in it', array(np.float64), axes=('run',))
    statistical_inefficiency = Field('results/runs/statistical_inefficiency', "of the state's torsion", array(np.float64), unit='frames', axes=('run',))


class SimulateResultsStates(Group):
    names = Field('results/states/names', 'of `system.states`, the rest last', texts, axes=('state',))
    population = Field('results/states/population', 'share; nan where it is not determined', array(np.float64), axes=('state',))
    standard_error = Field('results/states/standard_error', 'one standard error', array(np.float64), axes=('state',))
    interval = Field('results/states/interval', '95 %', array(np.float64), axes=('state', 'end'))
    effective_samples = Field('results/states/effective_samples', "Kish's, of the state's samples by their weights", array(np.float64), axes=('state',))
    unweighted = Field('results/states/unweighted', 'reweight: shares of the samples as they were drawn', array(np.float64), axes=('state',))
    trajectory = Field('results/states/trajectory', 'reweight: shares of the frames that the emulator learnt from', array(np.float64), axes=('state',))


class SimulateResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f = Field('results/pairs/delta_f', '-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/pairs/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))
    interval = Field('results/pairs/interval', '95 %', array(np.float64), unit='kT', axes=('pair', 'end'))


class SimulateResults(Group):
    torsions = Below(SimulateResultsTorsions)
    frames = Field('results/frames', 'frames in all', int)
    run = Field('results/run', 'which run a frame is of, from 0', array(np.int32), axes=('frame',))
    steered_torsions = Field('results/steered_torsions', 'torsions that led to the starts', texts, axes=('torsion',))
    targets = Field('results/targets', 'where each run was led to', array(np.float64), unit='rad', axes=('run', 'torsion'))
    attempts = Field('results/attempts', 'how often it was led, until it was there', array(np.int64), axes=('run',))
    runs = Below(SimulateResultsRuns)
    ensemble = Field('results/ensemble', 'where bonds were held: which ensemble the frames belong to', text)
    states = Below(SimulateResultsStates)
    pairs = Below(SimulateResultsPairs)
    simulated_time = Field('results/simulated_time', 'all runs, with steering and equilibration', float, unit='ps')
    energy_evaluations = Field('results/energy_evaluations', 'steps of dynamics, and what moves cost', int)
    turned_torsions = Field('results/turned_torsions', 'torsions that moves turned', texts, axes=('torsion',))
    turn_acceptance = Field('results/turn_acceptance', 'share of moves that were taken', array(np.float64), axes=('torsion',))
    seconds = Field('results/seconds', 'wall time of the dynamics', float, unit='s')


class Simulate(Stage):
    _versions = {'simulate': (1,)}
    _attributes = (
        Field('@conventions', "MDTraj's name of the convention: Pande", text),
        Field('@conventionVersion', '1.1', text),
        Field('@program', 'what wrote the file', text),
        Field('@programVersion', 'its version', text),
        Field('coordinates@origin', 'what lies at the origin: the centre of mass', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
    )
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    coordinates = Field('coordinates', 'positions', array(np.float32), unit='nanometers', axes=('frame', 'atom', 'axis'))
    time = Field('time', 'of each frame, where it has one', array(np.float32), unit='picoseconds', axes=('frame',))
    results = Below(SimulateResults)
    energies = Field('energies', 'potential energy', array(np.float64), unit='kJ/mol', axes=('frame',))


class IngestResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class IngestResultsSource(Group):
    file = Field('results/source/file', 'which of the files', array(np.int32), axes=('frame',))
    frame = Field('results/source/frame', 'which frame of it, from 0', array(np.int64), axes=('frame',))


class IngestResultsDropped(Group):
    count = Field('results/dropped/count', 'frames left out', int)
    file = Field('results/dropped/file', 'which of the files', array(np.int32), axes=('dropped',))
    frame = Field('results/dropped/frame', 'which frame of it, from 0', array(np.int64), axes=('dropped',))
    reason = Field('results/dropped/reason', 'which of the reasons', array(np.uint8), axes=('dropped',))
    reason_names = Field('results/dropped/reason_names', 'reasons to leave frames out', texts, axes=('reason',))


class IngestResultsSlowTorsionsBasins(Group):
    center = Field('results/slow_torsions/basins/center', 'nan where there is none', array(np.float64), unit='rad', axes=('torsion', 'basin'))
    population = Field('results/slow_torsions/basins/population', 'share of the frames', array(np.float64), axes=('torsion', 'basin'))
    changes = Field('results/slow_torsions/basins/changes', 'times it was entered or left; -1 for none', array(np.int64), axes=('torsion', 'basin'))
    halves = Field('results/slow_torsions/basins/halves', 'shares in the first and second halves of each stretch of time', array(np.float64), axes=('torsion', 'basin', 'half'))


class IngestResultsSlowTorsions(Group):
    names = Field('results/slow_torsions/names', 'rotatable torsions without a bias', texts, axes=('torsion',))
    fold = Field('results/slow_torsions/fold', '2 pi / fold is a full turn', array(np.int64), axes=('torsion',))
    changes = Field('results/slow_torsions/changes', 'of the basin', array(np.int64), axes=('torsion',))
    sampled = Field('results/slow_torsions/sampled', '1 where every basin was changed often enough, and halves agree', array(np.uint8), axes=('torsion',))
    basins = Below(IngestResultsSlowTorsionsBasins)
    disagreeing_windows = Field('results/slow_torsions/disagreeing_windows', 'umbrella sampling: windows in which the two walks stand in different basins', array(np.int64), axes=('torsion',))


class IngestResults(Group):
    torsions = Below(IngestResultsTorsions)
    frames = Field('results/frames', 'frames taken over', int)
    forces_temperature = Field('results/forces_temperature', 'of the dynamics that the forces are compared with', float, unit='K')
    files = Field('results/files', 'names of the files, without folders', texts, axes=('file',))
    constraints = Field('results/constraints', 'where bonds were held: what was made of them, flexible or rigid', text)
    held_bonds = Field('results/held_bonds', 'rigid: atoms of the bonds that are constant', array(np.int64), axes=('bond', 'end'))
    held_lengths = Field('results/held_lengths', 'rigid: their lengths', array(np.float64), unit='nm', axes=('bond',))
    source = Below(IngestResultsSource)
    dropped = Below(IngestResultsDropped)
    slow_torsions = Below(IngestResultsSlowTorsions)


class Ingest(Stage):
    _versions = {'ingest': (3,)}
    _attributes = (
        Field('@conventions', "MDTraj's name of the convention: Pande", text),
        Field('@conventionVersion', '1.1', text),
        Field('@program', 'what wrote the file', text),
        Field('@programVersion', 'its version', text),
        Field('coordinates@origin', 'what lies at the origin: the centre of mass', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
    )
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    coordinates = Field('coordinates', 'positions', array(np.float32), unit='nanometers', axes=('frame', 'atom', 'axis'))
    time = Field('time', 'of each frame, where it has one', array(np.float32), unit='picoseconds', axes=('frame',))
    results = Below(IngestResults)
    forces = Field('forces', "where they are asked for: on each atom, by the force field of the frames' dynamics", array(np.float32), unit='kJ/mol/nm', axes=('frame', 'atom', 'axis'))


class EmulatorEmulator(Group):
    header = Field('emulator/header', 'kind and shape of the network, and the interpolant; JSON', text)
    chart = Field('emulator/chart', 'from positions to latent coordinates; JSON', text)


class EmulatorTrainingTensors(Family[NDArray[np.float32]]):
    _family = 'training/tensors/NAME'
    _member = Field('training/tensors/NAME', "parameters, their moving average (average/...), constants and the optimiser's moments", array(np.float32))


class EmulatorTrainingCurve(Group):
    columns = Field('training/curve/columns', 'of the loss curve', texts, axes=('column',))
    steps = Field('training/curve/steps', 'of its rows', array(np.int64), axes=('row',))
    rows = Field('training/curve/rows', 'its rows', array(np.float64), axes=('row', 'column'))


class EmulatorTraining(Group):
    step = Field('training/step', 'optimisation steps so far', int)
    halvings = Field('training/halvings', 'of the learning rate, where training broke', int)
    tensors = Below(EmulatorTrainingTensors)
    generator = Field('training/generator', 'state of the random stream', array(np.uint8), axes=('byte',))
    curve = Below(EmulatorTrainingCurve)


class EmulatorResultsLoss(Family[NDArray[np.float64]]):
    _family = 'results/loss/NAME'
    step = Field('results/loss/step', 'optimisation steps', array(np.int64), axes=('step',))
    _member = Field('results/loss/NAME', 'a loss: train, validation, score, contrastive, label, score_label', array(np.float64), axes=('step',))


class EmulatorResultsThermometer(Group):
    mean = Field('results/thermometer/mean', "temperature of the frames over that of the force field, by Stein's identity; 1 where they are its own", float)
    standard_error = Field('results/thermometer/standard_error', 'of the mean', float)
    coordinates = Field('results/thermometer/coordinates', 'the one furthest off first', texts, axes=('coordinate',))
    values = Field('results/thermometer/values', '1 where all is well', array(np.float64), axes=('coordinate',))
    standard_errors = Field('results/thermometer/standard_errors', 'of the values', array(np.float64), axes=('coordinate',))
    torsions = Field('results/thermometer/torsions', 'those that go all the way round, the one furthest off first', texts, axes=('torsion',))
    torsion_values = Field('results/thermometer/torsion_values', "the largest E[g f + f'], f sine or cosine of the angle or twice it; 0 where all is well", array(np.float64), axes=('torsion',))
    torsion_standard_errors = Field('results/thermometer/torsion_standard_errors', 'of the values', array(np.float64), axes=('torsion',))


class EmulatorResults(Group):
    loss = Below(EmulatorResultsLoss)
    parameters = Field('results/parameters', 'of the network', int)
    training_frames = Field('results/training_frames', 'frames that it was trained on', int)
    training_targets = Field('results/training_targets', 'forces, where they took the noise out of the targets, or plain', text)
    energy_evaluations = Field('results/energy_evaluations', 'of one that was refined: of the force field, and steps of the dynamics, from the beginning', int)
    thermometer = Below(EmulatorResultsThermometer)


class Emulator(Stage):
    _versions = {'emulator': (4,), 'imported-emulator': (1,), 'transferred-emulator': (1,), 'refined-emulator': (1,)}
    emulator = Below(EmulatorEmulator)
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    training = Below(EmulatorTraining)
    results = Below(EmulatorResults)


class TransferableEmulatorTransferableEmulator(Group):
    header = Field('transferable_emulator/header', 'rows and shapes of the networks; JSON', text)
    chart = Field('transferable_emulator/chart', 'means and whitening by residue and place; JSON', text)


class TransferableEmulatorTrainingTensors(Family[NDArray[np.float32]]):
    _family = 'training/tensors/NAME'
    _member = Field('training/tensors/NAME', "parameters, their moving average (average/...), constants and the optimiser's moments", array(np.float32))


class TransferableEmulatorTrainingCurve(Group):
    columns = Field('training/curve/columns', 'of the loss curve', texts, axes=('column',))
    steps = Field('training/curve/steps', 'of its rows', array(np.int64), axes=('row',))
    rows = Field('training/curve/rows', 'its rows', array(np.float64), axes=('row', 'column'))


class TransferableEmulatorTraining(Group):
    step = Field('training/step', 'optimisation steps so far', int)
    halvings = Field('training/halvings', 'of the learning rate, where training broke', int)
    tensors = Below(TransferableEmulatorTrainingTensors)
    generator = Field('training/generator', 'state of the random stream', array(np.uint8), axes=('byte',))
    curve = Below(TransferableEmulatorTrainingCurve)


class TransferableEmulatorResultsLoss(Family[NDArray[np.float64]]):
    _family = 'results/loss/NAME'
    step = Field('results/loss/step', 'optimisation steps', array(np.int64), axes=('step',))
    _member = Field('results/loss/NAME', 'a loss: train, validation, score, contrastive, label, score_label', array(np.float64), axes=('step',))


class TransferableEmulatorResultsMolecules(Group):
    names = Field('results/molecules/names', 'stages whose frames it was trained on', texts, axes=('molecule',))
    thermometers = Field('results/molecules/thermometers', "temperature of each molecule's frames over that of the force field, by Stein's identity; 1 where they are its own", array(np.float64), axes=('molecule',))
    thermometer_standard_errors = Field('results/molecules/thermometer_standard_errors', 'of these', array(np.float64), axes=('molecule',))
    held_out = Field('results/molecules/held_out', 'stages whose frames told when to stop, and taught nothing', texts, axes=('held out',))


class TransferableEmulatorResults(Group):
    loss = Below(TransferableEmulatorResultsLoss)
    parameters = Field('results/parameters', 'of the networks and their tables', int)
    training_frames = Field('results/training_frames', 'frames of all molecules that it was trained on', int)
    molecules = Below(TransferableEmulatorResultsMolecules)
    residues = Field('results/residues', 'residues and links that it knows, by place', texts, axes=('residue',))
    temperature = Field('results/temperature', 'of the frames', float, unit='K')


class TransferableEmulator(Stage):
    _versions = {'transferable-emulator': (1,)}
    transferable_emulator = Below(TransferableEmulatorTransferableEmulator)
    training = Below(TransferableEmulatorTraining)
    results = Below(TransferableEmulatorResults)


class PerturbEmulator(Group):
    header = Field('emulator/header', 'kind and shape of the network, and the interpolant; JSON', text)
    chart = Field('emulator/chart', 'from positions to latent coordinates; JSON', text)


class PerturbTrainingTensors(Family[NDArray[np.float32]]):
    _family = 'training/tensors/NAME'
    _member = Field('training/tensors/NAME', "parameters, their moving average (average/...), constants and the optimiser's moments", array(np.float32))


class PerturbTrainingCurve(Group):
    columns = Field('training/curve/columns', 'of the loss curve', texts, axes=('column',))
    steps = Field('training/curve/steps', 'of its rows', array(np.int64), axes=('row',))
    rows = Field('training/curve/rows', 'its rows', array(np.float64), axes=('row', 'column'))


class PerturbTraining(Group):
    step = Field('training/step', 'optimisation steps so far', int)
    halvings = Field('training/halvings', 'of the learning rate, where training broke', int)
    tensors = Below(PerturbTrainingTensors)
    generator = Field('training/generator', 'state of the random stream', array(np.uint8), axes=('byte',))
    curve = Below(PerturbTrainingCurve)


class PerturbResultsLoss(Family[NDArray[np.float64]]):
    _family = 'results/loss/NAME'
    step = Field('results/loss/step', 'optimisation steps', array(np.int64), axes=('step',))
    _member = Field('results/loss/NAME', 'a loss: train, validation, score, contrastive, label, score_label', array(np.float64), axes=('step',))


class PerturbResultsShift(Group):
    rms = Field('results/shift/rms', "how far the target's mean lies from the emulator's, in widths; root mean square of coordinates", float)
    largest = Field('results/shift/largest', 'the same, the largest of all points and coordinates', float)


class PerturbResultsRounds(Group):
    energies = Field('results/rounds/energies', 'of the target, so far', array(np.int64), axes=('round',))
    ess_fraction = Field('results/rounds/ess_fraction', 'of fresh samples, as they would be drawn', array(np.float64), axes=('round',))
    state_ess_fraction = Field('results/rounds/state_ess_fraction', 'within each state', array(np.float64), axes=('round', 'state'))
    free_energies = Field('results/rounds/free_energies', 'of the states, the lowest at zero', array(np.float64), unit='kT', axes=('round', 'state'))
    thermometer = Field('results/rounds/thermometer', "Stein's identity of the fresh samples by weight: 1 where energies, forces and weights belong together", array(np.float64), axes=('round',))
    thermometer_standard_error = Field('results/rounds/thermometer_standard_error', 'of that', array(np.float64), axes=('round',))
    surrogate_error = Field('results/rounds/surrogate_error', 'of the learnt log-density at points that it has not seen, median', array(np.float64), unit='kT', axes=('round',))
    surrogate_gradient_error = Field('results/rounds/surrogate_gradient_error', 'of its gradients, in widths, median', array(np.float64), axes=('round',))


class PerturbResults(Group):
    loss = Below(PerturbResultsLoss)
    parameters = Field('results/parameters', 'of the network', int)
    training_frames = Field('results/training_frames', 'fresh samples that there were when it was trained at last', int)
    energy_method = Field('results/energy_method', 'what computed energies and forces', text)
    energy_evaluations = Field('results/energy_evaluations', 'of the target, with forces', int)
    state_names = Field('results/state_names', "the states, and elsewhere or the rest's name last", texts, axes=('state',))
    shift = Below(PerturbResultsShift)
    rounds = Below(PerturbResultsRounds)
    seconds = Field('results/seconds', 'wall time of all of it', float, unit='s')


class PerturbPoints(Group):
    internal = Field('points/internal', 'bonds (nm), angles and torsions (rad)', array(np.float64), axes=('point', 'coordinate'))
    log_target = Field('points/log_target', '-u + ln |dx/dq| under the target, kT; -infinity where there is no energy', array(np.float64), axes=('point',))
    gradient = Field('points/gradient', 'of log_target over internal', array(np.float64), axes=('point', 'coordinate'))
    log_density = Field('points/log_density', 'ln q over internal of what drew it; NaN where nobody asked', array(np.float64), axes=('point',))
    state = Field('points/state', 'which of the states', array(np.int64), axes=('point',))
    source = Field('points/source', '0 drawn from the emulator, 1 torsions everywhere, 2 fresh samples', array(np.int64), axes=('point',))
    round = Field('points/round', 'of the fresh samples, from 0', array(np.int64), axes=('point',))


class Perturb(Stage):
    _versions = {'perturb': (1,)}
    emulator = Below(PerturbEmulator)
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    training = Below(PerturbTraining)
    results = Below(PerturbResults)
    points = Below(PerturbPoints)


class SampleResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class SampleResultsLost(Group):
    sample = Field('results/lost/sample', 'which of those that were begun', array(np.int64), axes=('trajectory',))
    time = Field('results/lost/time', 'where it was lost, 0 to 1', array(np.float64), axes=('trajectory',))
    step = Field('results/lost/step', "the step's length there", array(np.float64), axes=('trajectory',))


class SampleResults(Group):
    torsions = Below(SampleResultsTorsions)
    lost = Below(SampleResultsLost)
    mirrored_fraction = Field('results/mirrored_fraction', 'drawn with the other hand', float)
    inverted = Field('results/inverted', 'samples with a stereocentre of the other hand', int)
    samples = Field('results/samples', 'how many there are', int)
    function_evaluations = Field('results/function_evaluations', 'of the network', int)
    solver_error = Field('results/solver_error', 'what twice the steps change of the log-density, root mean square of some samples; of fixed steps, where it was asked for', float, unit='nat')
    seconds = Field('results/seconds', 'wall time of the integration', float, unit='s')


class Sample(Stage):
    _versions = {'sample': (4,)}
    _attributes = (
        Field('@conventions', "MDTraj's name of the convention: Pande", text),
        Field('@conventionVersion', '1.1', text),
        Field('@program', 'what wrote the file', text),
        Field('@programVersion', 'its version', text),
        Field('coordinates@origin', 'what lies at the origin: the centre of mass', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
        Field('latents@emulator', 'content digest of the emulator they are of', text),
        Field('prior@integrator', 'how they were integrated; JSON', text),
        Field('log_density@method', 'what computed it', text),
    )
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    coordinates = Field('coordinates', 'positions', array(np.float64), unit='nanometers', axes=('frame', 'atom', 'axis'))
    time = Field('time', 'of each frame, where it has one', array(np.float32), unit='picoseconds', axes=('frame',))
    results = Below(SampleResults)
    latents = Field('latents', "on the emulator's chart", array(np.float32), axes=('frame', 'latent'))
    prior = Field('prior', 'the points of the prior they came from', array(np.float32), axes=('frame', 'latent'))
    scores = Field('scores', 'gradient of the log-density over latents, where it was asked for', array(np.float32), axes=('frame', 'latent'))
    internal = Field('internal', 'bonds (nm), angles and torsions (rad)', array(np.float64), axes=('frame', 'coordinate'))
    log_jacobian = Field('log_jacobian', 'ln |dx/dq|', array(np.float64), axes=('frame',))
    log_density = Field('log_density', 'ln q over Cartesian coordinates, up to the rigid-body constant; nat', array(np.float64), axes=('frame',))
    log_density_probes = Field('log_density_probes', 'its independent estimates', array(np.float64), axes=('estimate', 'frame'))


class EnergyModelEnergyModel(Group):
    header = Field('energy_model/header', 'kind and shape of the network, and whose emulator it is of; JSON', text)
    chart = Field('energy_model/chart', 'the coordinates it works on; JSON', text)


class EnergyModelTrainingTensors(Family[NDArray[np.float32]]):
    _family = 'training/tensors/NAME'
    _member = Field('training/tensors/NAME', "parameters, their moving average (average/...), constants and the optimiser's moments", array(np.float32))


class EnergyModelTrainingCurve(Group):
    columns = Field('training/curve/columns', 'of the loss curve', texts, axes=('column',))
    steps = Field('training/curve/steps', 'of its rows', array(np.int64), axes=('row',))
    rows = Field('training/curve/rows', 'its rows', array(np.float64), axes=('row', 'column'))


class EnergyModelTraining(Group):
    step = Field('training/step', 'optimisation steps so far', int)
    halvings = Field('training/halvings', 'of the learning rate, where training broke', int)
    tensors = Below(EnergyModelTrainingTensors)
    generator = Field('training/generator', 'state of the random stream', array(np.uint8), axes=('byte',))
    curve = Below(EnergyModelTrainingCurve)


class EnergyModelResultsLoss(Family[NDArray[np.float64]]):
    _family = 'results/loss/NAME'
    step = Field('results/loss/step', 'optimisation steps', array(np.int64), axes=('step',))
    _member = Field('results/loss/NAME', 'a loss: train, validation, score, contrastive, label, score_label', array(np.float64), axes=('step',))


class EnergyModelResultsNormalization(Group):
    time = Field('results/normalization/time', '0 noise, 1 data', array(np.float64), axes=('time',))
    offset = Field('results/normalization/offset', 'the constant on its way', array(np.float64), unit='nat', axes=('time',))


class EnergyModelResults(Group):
    loss = Below(EnergyModelResultsLoss)
    exact_log_density = Field('results/exact_log_density', 'by exact trace, of samples it has not seen', array(np.float64), unit='nat', axes=('sample',))
    model_log_density = Field('results/model_log_density', 'by the model, up to its constant', array(np.float64), unit='nat', axes=('sample',))
    rmse_log_density = Field('results/rmse_log_density', 'after removing the mean', float, unit='nat')
    mean_error_log_density = Field('results/mean_error_log_density', 'model minus exact', float, unit='nat')
    spearman = Field('results/spearman', 'rank correlation', float)
    prior_offset = Field('results/prior_offset', "the constant, from the prior's end", float, unit='nat')
    prior_offset_standard_error = Field('results/prior_offset_standard_error', 'its error', float, unit='nat')
    absolute_error = Field('results/absolute_error', 'mean error of the absolute log-density by that constant', float, unit='nat')
    data_offset = Field('results/data_offset', "the constant, followed to the data's end", float, unit='nat')
    data_offset_standard_error = Field('results/data_offset_standard_error', 'its error', float, unit='nat')
    absolute_error_normalized = Field('results/absolute_error_normalized', 'mean error by that constant', float, unit='nat')
    normalization = Below(EnergyModelResultsNormalization)
    seconds_per_likelihood = Field('results/seconds_per_likelihood', 'wall time of one likelihood', float, unit='s')
    exact_seconds_per_likelihood = Field('results/exact_seconds_per_likelihood', 'of one by exact trace, with its sample', float, unit='s')


class EnergyModel(Stage):
    _versions = {'energy-model': (4,)}
    energy_model = Below(EnergyModelEnergyModel)
    training = Below(EnergyModelTraining)
    results = Below(EnergyModelResults)


class AnnealResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class AnnealResultsSteps(Group):
    lambda_ = Field('results/steps/lambda', 'where each step ends', array(np.float64), axes=('step',))
    step_size = Field('results/steps/step_size', 'of the moves after each step but the last', array(np.float64), axes=('move',))
    acceptance = Field('results/steps/acceptance', 'share of these moves that were accepted', array(np.float64), axes=('move',))
    acceptance_pilot = Field('results/steps/acceptance_pilot', 'share in the pilot', array(np.float64), axes=('move',))
    mean_work = Field('results/steps/mean_work', 'of the samples that may carry weight, all alike', array(np.float64), unit='nat', axes=('step',))
    conditional_ess_fraction = Field('results/steps/conditional_ess_fraction', "effective share of the samples in the step's own weights, given those before", array(np.float64), axes=('step',))
    ess_fraction = Field('results/steps/ess_fraction', "Kish's, of the weights after each step, without a first weight", array(np.float64), axes=('step',))


class AnnealResultsBefore(Group):
    ess_fraction = Field('results/before/ess_fraction', 'of all samples', float)
    ess_fraction_of_mixture = Field('results/before/ess_fraction_of_mixture', "over that of a perfect sampler with the samples' own shares of the states", float)
    state_ess_fraction = Field('results/before/state_ess_fraction', "of each state's own samples", array(np.float64), axes=('state',))
    ess_fraction_without_heaviest = Field('results/before/ess_fraction_without_heaviest', 'of all samples but the heaviest 1, and 10', array(np.float64), axes=('heaviest',))


class AnnealResultsAnnealed(Group):
    ess_fraction = Field('results/annealed/ess_fraction', 'of all samples', float)
    ess_fraction_of_mixture = Field('results/annealed/ess_fraction_of_mixture', "over that of a perfect sampler with the samples' own shares of the states", float)
    state_ess_fraction = Field('results/annealed/state_ess_fraction', "of each state's own samples", array(np.float64), axes=('state',))
    ess_fraction_without_heaviest = Field('results/annealed/ess_fraction_without_heaviest', 'of all samples but the heaviest 1, and 10', array(np.float64), axes=('heaviest',))


class AnnealResultsUnbiased(Group):
    ess_fraction = Field('results/unbiased/ess_fraction', 'of all samples', float)
    ess_fraction_of_mixture = Field('results/unbiased/ess_fraction_of_mixture', "over that of a perfect sampler with the samples' own shares of the states", float)
    state_ess_fraction = Field('results/unbiased/state_ess_fraction', "of each state's own samples", array(np.float64), axes=('state',))
    ess_fraction_without_heaviest = Field('results/unbiased/ess_fraction_without_heaviest', 'of all samples but the heaviest 1, and 10', array(np.float64), axes=('heaviest',))


class AnnealResults(Group):
    torsions = Below(AnnealResultsTorsions)
    steps = Below(AnnealResultsSteps)
    scales = Field('results/scales', 'widths of the target along the latents: units of moves', array(np.float64), axes=('latent',))
    ess_fraction = Field('results/ess_fraction', "Kish's, of log_weights/annealed", float)
    before = Below(AnnealResultsBefore)
    annealed = Below(AnnealResultsAnnealed)
    unbiased = Below(AnnealResultsUnbiased)
    state_names = Field('results/state_names', "the states, and elsewhere or the rest's name last", texts, axes=('state',))
    inverted = Field('results/inverted', 'samples with a stereocentre of the other hand: no weight', int)
    broken = Field('results/broken', 'samples with a broken ring: no weight', int)
    non_finite = Field('results/non_finite', 'samples without a finite energy, force or density: no weight', int)
    energy_evaluations = Field('results/energy_evaluations', 'of the force field, with forces', int)
    energy_evaluations_pilot = Field('results/energy_evaluations_pilot', 'those of them that the pilot took', int)
    energy_method = Field('results/energy_method', 'what computed energies and forces', text)
    ensemble = Field('results/ensemble', 'where bonds were held: which ensemble the samples were carried to', text)
    seconds = Field('results/seconds', 'wall time of pilot and annealing', float, unit='s')


class AnnealLogWeights(Group):
    before = Field('log_weights/before', 'by the energy model alone, where they began; -infinity without weight', array(np.float64), axes=('frame',))
    annealed = Field('log_weights/annealed', "the sum of the work, as if the samples were the energy model's; -infinity without weight", array(np.float64), axes=('frame',))
    unbiased = Field('log_weights/unbiased', 'with the first weight exp(U - ln q), by the mean of the estimates; not corrected for their noise', array(np.float64), axes=('frame',))


class Anneal(Stage):
    _versions = {'anneal': (1,)}
    _attributes = (
        Field('@conventions', "MDTraj's name of the convention: Pande", text),
        Field('@conventionVersion', '1.1', text),
        Field('@program', 'what wrote the file', text),
        Field('@programVersion', 'its version', text),
        Field('coordinates@origin', 'what lies at the origin: the centre of mass', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
    )
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    coordinates = Field('coordinates', 'positions', array(np.float64), unit='nanometers', axes=('frame', 'atom', 'axis'))
    time = Field('time', 'of each frame, where it has one', array(np.float32), unit='picoseconds', axes=('frame',))
    results = Below(AnnealResults)
    latents = Field('latents', "on the energy model's chart, where they ended", array(np.float64), axes=('frame', 'latent'))
    log_density = Field('log_density', 'what stands for ln q in a weight of the annealed position, over Cartesian coordinates: -u less log_weights/annealed, up to a constant; nat', array(np.float64), axes=('frame',))
    log_density_unbiased = Field('log_density_unbiased', "the same with the samples' own ln q where they began in place of the energy model's: its independent estimates", array(np.float64), axes=('estimate', 'frame'))
    log_weights = Below(AnnealLogWeights)
    work = Field('work', 'of each step, nat; -infinity without weight', array(np.float64), axes=('frame', 'step'))


class ReweightResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class ReweightResultsStates(Group):
    names = Field('results/states/names', 'of `system.states`, the rest last', texts, axes=('state',))
    population = Field('results/states/population', 'share; nan where it is not determined', array(np.float64), axes=('state',))
    standard_error = Field('results/states/standard_error', 'one standard error', array(np.float64), axes=('state',))
    interval = Field('results/states/interval', '95 %', array(np.float64), axes=('state', 'end'))
    effective_samples = Field('results/states/effective_samples', "Kish's, of the state's samples by their weights", array(np.float64), axes=('state',))
    unweighted = Field('results/states/unweighted', 'reweight: shares of the samples as they were drawn', array(np.float64), axes=('state',))
    trajectory = Field('results/states/trajectory', 'reweight: shares of the frames that the emulator learnt from', array(np.float64), axes=('state',))


class ReweightResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f = Field('results/pairs/delta_f', '-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/pairs/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))
    interval = Field('results/pairs/interval', '95 %', array(np.float64), unit='kT', axes=('pair', 'end'))


class ReweightResultsProfile(Family[NDArray[np.float64]]):
    _family = 'results/profile/NAME'
    _member = Field('results/profile/NAME', 'middles of the bins of the torsion of that name', array(np.float64), unit='rad', axes=('bin',))
    free_energy = Field('results/profile/free_energy', 'minimum 0', array(np.float64), unit='kT', axes=('bin',))
    standard_error = Field('results/profile/standard_error', 'its error', array(np.float64), unit='kT', axes=('bin',))


class ReweightResultsNoise(Group):
    variance = Field('results/noise/variance', 'of ln q, where it was estimated twice', array(np.float64), unit='nat2', axes=('state',))
    effect = Field('results/noise/effect', 'what its correction did to dF', float, unit='kT')
    effect_standard_error = Field('results/noise/effect_standard_error', 'its error', float, unit='kT')


class ReweightResultsTemperatures(Group):
    temperature = Field('results/temperatures/temperature', 'of each row', array(np.float64), unit='K', axes=('temperature',))
    ess_fraction = Field('results/temperatures/ess_fraction', "Kish's, of all samples", array(np.float64), axes=('temperature',))
    state_effective_samples = Field('results/temperatures/state_effective_samples', "Kish's, of the samples of each state: below 10 there is no number", array(np.float64), axes=('temperature', 'state'))
    delta_f = Field('results/temperatures/delta_f', '-kT ln(P(from) / P(to))', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    delta_f_standard_error = Field('results/temperatures/delta_f_standard_error', 'by bootstrap', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    delta_f_interval = Field('results/temperatures/delta_f_interval', '95 %', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair', 'end'))
    delta_h = Field('results/temperatures/delta_h', 'mean potential energy of the first state less that of the other', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    delta_h_standard_error = Field('results/temperatures/delta_h_standard_error', 'by bootstrap', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    delta_h_interval = Field('results/temperatures/delta_h_interval', '95 %', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair', 'end'))
    t_delta_s = Field('results/temperatures/t_delta_s', 'delta_h - delta_f', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    t_delta_s_standard_error = Field('results/temperatures/t_delta_s_standard_error', 'by bootstrap', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair'))
    t_delta_s_interval = Field('results/temperatures/t_delta_s_interval', '95 %', array(np.float64), unit='kJ/mol', axes=('temperature', 'pair', 'end'))
    heat_capacity = Field('results/temperatures/heat_capacity', 'of the configuration: d<U>/dT', array(np.float64), unit='kJ/mol/K', axes=('temperature',))
    heat_capacity_standard_error = Field('results/temperatures/heat_capacity_standard_error', 'by bootstrap', array(np.float64), unit='kJ/mol/K', axes=('temperature',))
    heat_capacity_interval = Field('results/temperatures/heat_capacity_interval', '95 %', array(np.float64), unit='kJ/mol/K', axes=('temperature', 'end'))


class ReweightResultsAudit(Group):
    rmse_log_density = Field('results/audit/rmse_log_density', "of the energy model against the samples' own ln q", float, unit='nat')
    state_bias = Field('results/audit/state_bias', 'its mean error in the state minus that elsewhere', float, unit='nat')


class ReweightResults(Group):
    torsions = Below(ReweightResultsTorsions)
    delta_f = Field('results/delta_f', '-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples carry it', float, unit='kT')
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', float, unit='kT')
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('end',))
    ensemble = Field('results/ensemble', 'where bonds are or were held: which ensemble the number belongs to', text)
    ess_fraction = Field('results/ess_fraction', "Kish's, of all samples", float)
    ess_fraction_truncated = Field('results/ess_fraction_truncated', 'the same without the largest weights', float)
    ess_fraction_of_mixture = Field('results/ess_fraction_of_mixture', "the same over that of a perfect sampler with the samples' own shares of the states", float)
    state_ess_fraction = Field('results/state_ess_fraction', "Kish's, of each state's own samples", array(np.float64), axes=('state',))
    ess_fraction_without_heaviest = Field('results/ess_fraction_without_heaviest', 'of all samples but the heaviest 1, and 10', array(np.float64), axes=('heaviest',))
    dropped = Field('results/dropped', 'how many weights the truncated one leaves out', int)
    largest_weight = Field('results/largest_weight', 'share of the heaviest sample', float)
    state_effective_samples = Field('results/state_effective_samples', "Kish's, of the samples of each state: below 10 there is no number", array(np.float64), axes=('state',))
    state_largest_weight = Field('results/state_largest_weight', "share of the state's weight that its heaviest sample has", array(np.float64), axes=('state',))
    heaviest_share = Field('results/heaviest_share', "the largest share of a state's weight that one sample may have for a number; missing where any may", float)
    tail_shape = Field('results/tail_shape', "Pareto shape of the weights' tails before any smoothing: above 0.7 their sums are not to be believed, above 1 there is no interval; nan where there are too few to tell", array(np.float64), axes=('state',))
    unsmoothed_delta_f = Field('results/unsmoothed_delta_f', 'where weights were smoothed', float, unit='kT')
    non_finite = Field('results/non_finite', 'samples without a finite energy or density: no weight', int)
    inverted = Field('results/inverted', 'samples with a stereocentre of the other hand: no weight', int)
    log_constraint_volume = Field('results/log_constraint_volume', 'where bonds are held: 1/2 ln det Z of each sample, what constraints add to the logarithm of its Boltzmann factor', array(np.float64), axes=('frame',))
    energy_evaluations = Field('results/energy_evaluations', 'of the force field', int)
    energy_method = Field('results/energy_method', 'what computed the energies', text)
    seconds_per_energy = Field('results/seconds_per_energy', 'wall time of one energy', float, unit='s')
    state_names = Field('results/state_names', "the states, and elsewhere or the rest's name last", texts, axes=('state',))
    state_populations = Field('results/state_populations', 'shares by weight', array(np.float64), axes=('state',))
    state_intervals = Field('results/state_intervals', '95 %', array(np.float64), axes=('state', 'end'))
    state_populations_unweighted = Field('results/state_populations_unweighted', 'shares of the samples as they were drawn', array(np.float64), axes=('state',))
    state_populations_trajectory = Field('results/state_populations_trajectory', 'shares of the frames that the emulator learnt from, in the surroundings they were made in', array(np.float64), axes=('state',))
    states = Below(ReweightResultsStates)
    pairs = Below(ReweightResultsPairs)
    profile = Below(ReweightResultsProfile)
    noise = Below(ReweightResultsNoise)
    temperatures = Below(ReweightResultsTemperatures)
    sampling_standard_error = Field('results/sampling_standard_error', 'of dF, by bootstrap alone: without what the energy model has wrong between the states', float, unit='kT')
    audit = Below(ReweightResultsAudit)


class Reweight(Stage):
    _versions = {'reweight': (6, 5)}
    _attributes = (
        Field('log_density@method', 'what computed it', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
    )
    log_weights = Field('log_weights', 'normalised (sum of w = 1), corrected for noise; -infinity without weight', array(np.float64), axes=('frame',))
    log_density = Field('log_density', 'ln q over Cartesian coordinates, up to the rigid-body constant; nat', array(np.float64), axes=('frame',))
    energies = Field('energies', 'potential energy', array(np.float64), unit='kJ/mol', axes=('frame',))
    results = Below(ReweightResults)


class CycleResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f = Field('results/pairs/delta_f', '-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/pairs/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))
    interval = Field('results/pairs/interval', '95 %', array(np.float64), unit='kT', axes=('pair', 'end'))


class CycleResultsCycleReference(Group):
    delta_f = Field('results/cycle/reference/delta_f', "-ln(P(from) / P(to)) under system.sampled_by, by weights of the first emulator's samples", array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/cycle/reference/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))


class CycleResultsCycleBefore(Group):
    delta_f = Field('results/cycle/before/delta_f', '-ln(P(from) / P(to)) the same with states as the map leads to them: what the cycle adds to', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/cycle/before/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))


class CycleResultsCycleTarget(Group):
    delta_f = Field('results/cycle/target/delta_f', "-ln(P(from) / P(to)) under system.forcefield, by the reweighting's own weights", array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/cycle/target/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))


class CycleResultsCycleBennett(Group):
    delta_f = Field('results/cycle/bennett/delta_f', '-ln(P(from) / P(to)) under the target, by the cycle with works of both sides', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/cycle/bennett/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))


class CycleResultsCycleForward(Group):
    delta_f = Field('results/cycle/forward/delta_f', "-ln(P(from) / P(to)) under the target, by the cycle with forward works: nothing of it comes from the target's own emulator", array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/cycle/forward/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))


class CycleResultsCycle(Group):
    from_ = Field('results/cycle/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/cycle/to', 'the second', texts, axes=('pair',))
    reference = Below(CycleResultsCycleReference)
    before = Below(CycleResultsCycleBefore)
    target = Below(CycleResultsCycleTarget)
    bennett = Below(CycleResultsCycleBennett)
    forward = Below(CycleResultsCycleForward)


class CycleResultsGainsBennett(Group):
    delta_f = Field('results/gains/bennett/delta_f', "free energy of each state under the second potential less that under the first and less the offset, by Bennett's acceptance ratio; nan where too few samples carry it", array(np.float64), unit='kT', axes=('state',))
    standard_error = Field('results/gains/bennett/standard_error', 'one standard error, by bootstrap', array(np.float64), unit='kT', axes=('state',))
    shared_samples = Field('results/gains/bennett/shared_samples', 'that the two ensembles have in common: below 10 there is no number', array(np.float64), axes=('state',))


class CycleResultsGainsForward(Group):
    delta_f = Field('results/gains/forward/delta_f', 'free energy of each state under the second potential less that under the first and less the offset, from samples of the first potential alone; nan where too few samples carry it', array(np.float64), unit='kT', axes=('state',))
    standard_error = Field('results/gains/forward/standard_error', 'one standard error, by bootstrap', array(np.float64), unit='kT', axes=('state',))
    effective_samples = Field('results/gains/forward/effective_samples', 'in the mean of exp(-work): below 10 there is no number', array(np.float64), axes=('state',))
    tail_shape = Field('results/gains/forward/tail_shape', 'Pareto shape of the terms of that mean; nan where there are too few to tell', array(np.float64), axes=('state',))


class CycleResultsGainsBackward(Group):
    delta_f = Field('results/gains/backward/delta_f', 'free energy of each state under the second potential less that under the first and less the offset, from samples of the second potential alone; nan where too few samples carry it', array(np.float64), unit='kT', axes=('state',))
    standard_error = Field('results/gains/backward/standard_error', 'one standard error, by bootstrap', array(np.float64), unit='kT', axes=('state',))
    effective_samples = Field('results/gains/backward/effective_samples', 'the same of backward works', array(np.float64), axes=('state',))


class CycleResultsGains(Group):
    offset = Field('results/gains/offset', 'about what all states gain alike; not in the gains below', float, unit='kT')
    bennett = Below(CycleResultsGainsBennett)
    forward = Below(CycleResultsGainsForward)
    backward = Below(CycleResultsGainsBackward)


class CycleResults(Group):
    delta_f = Field('results/delta_f', '-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples carry it', float, unit='kT')
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', float, unit='kT')
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('end',))
    ensemble = Field('results/ensemble', 'where bonds are or were held: which ensemble the number belongs to', text)
    state_names = Field('results/state_names', "the states, and elsewhere or the rest's name last", texts, axes=('state',))
    pairs = Below(CycleResultsPairs)
    cycle = Below(CycleResultsCycle)
    gains = Below(CycleResultsGains)
    energy_evaluations = Field('results/energy_evaluations', 'of both potentials, without those of the reweighting', int)
    energy_method = Field('results/energy_method', "what computed the target's energies", text)


class CycleWorks(Group):
    forward = Field('works/forward', 'of the first samples, to the target', array(np.float64), unit='kT', axes=('sample',))
    backward = Field('works/backward', "of the target's samples, back", array(np.float64), unit='kT', axes=('target_sample',))


class Cycle(Stage):
    _versions = {'cycle': (2,)}
    results = Below(CycleResults)
    works = Below(CycleWorks)


class AuditResultsMethodsNAME(Group):
    rmse_log_density = Field('results/methods/NAME/rmse_log_density', 'against exact trace, mean removed', float, unit='nat')
    mean_error = Field('results/methods/NAME/mean_error', 'against exact trace; nan for one known up to a constant', float, unit='nat')
    spearman = Field('results/methods/NAME/spearman', 'rank correlation', float)
    ess_fraction = Field('results/methods/NAME/ess_fraction', "Kish's, of weights by this method", float)
    delta_f = Field('results/methods/NAME/delta_f', 'by these weights', float, unit='kT')
    delta_f_standard_error = Field('results/methods/NAME/delta_f_standard_error', 'its error', float, unit='kT')
    seconds_per_likelihood = Field('results/methods/NAME/seconds_per_likelihood', 'wall time of one; of the sample too, but for the energy model', float, unit='s')


class AuditResultsMethods(Family[AuditResultsMethodsNAME]):
    _family = 'results/methods/NAME/'
    order = Field('results/methods/order', 'ways to the same likelihoods', texts, axes=('method',))
    _member = AuditResultsMethodsNAME


class AuditResults(Group):
    delta_f = Field('results/delta_f', '-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples carry it', float, unit='kT')
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', float, unit='kT')
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('end',))
    ensemble = Field('results/ensemble', 'where bonds are or were held: which ensemble the number belongs to', text)
    correction = Field('results/correction', 'what was added to dF', float, unit='kT')
    correction_standard_error = Field('results/correction_standard_error', 'its error', float, unit='kT')
    audited_samples = Field('results/audited_samples', 'how many', int)
    draws = Field('results/draws', 'weighted draws: how many, repeated ones included', int)
    rmse_log_density = Field('results/rmse_log_density', 'ln q as it was used against the exact one, mean removed', float, unit='nat')
    spearman = Field('results/spearman', 'rank correlation; uniform draws alone', float)
    mean_error = Field('results/mean_error', 'used minus exact, before any absolute constant', float, unit='nat')
    mean_error_standard_error = Field('results/mean_error_standard_error', 'its error', float, unit='nat')
    state_names = Field('results/state_names', "the state, and elsewhere; or the first pair's two", texts, axes=('state',))
    state_bias = Field('results/state_bias', 'mean error under the weights, that of all samples removed', array(np.float64), unit='nat', axes=('state',))
    state_bias_standard_error = Field('results/state_bias_standard_error', 'its error', array(np.float64), unit='nat', axes=('state',))
    ess_fraction = Field('results/ess_fraction', "Kish's, by exact weights", float)
    ess_fraction_used = Field('results/ess_fraction_used', 'by those that were used', float)
    exact_delta_f = Field('results/exact_delta_f', 'of the subset alone; uniform draws', float, unit='kT')
    exact_delta_f_standard_error = Field('results/exact_delta_f_standard_error', 'its error', float, unit='kT')
    reproduction_error = Field('results/reproduction_error', 'largest difference of a latent coordinate from the stored one', float)
    methods = Below(AuditResultsMethods)


class Audit(Stage):
    _versions = {'audit': (2,)}
    audited = Field('audited', 'rows of the samples, ascending', array(np.int64), axes=('sample',))
    exact_log_density = Field('exact_log_density', 'their ln q by exact trace', array(np.float64), unit='nat', axes=('sample',))
    results = Below(AuditResults)


class ExploreResultsTorsions(Family[NDArray[np.float64]]):
    _family = 'results/torsions/NAME'
    _member = Field('results/torsions/NAME', 'the torsion of that name, in (-pi, pi]', array(np.float64), unit='rad', axes=('frame',))


class ExploreResultsExplored(Group):
    torsions = Field('results/explored/torsions', 'those that were looked at', texts, axes=('torsion',))
    fold = Field('results/explored/fold', 'equal places of a full turn of each, 2 for a phenyl ring', array(np.int64), axes=('torsion',))


class ExploreResultsRegions(Group):
    name = Field('results/regions/name', 'its torsions and their ranges, and states', texts, axes=('region',))
    torsions = Field('results/regions/torsions', 'its torsions, from 0; -1 where there is one', array(np.int64), axes=('region', 'axis'))
    arcs = Field('results/regions/arcs', 'what they range over; nan where there is one', array(np.float64), unit='rad', axes=('region', 'axis', 'end'))
    missing = Field('results/regions/missing', '1 where the emulator misses it, 0 where that is not certain', array(np.int64), axes=('region',))
    weight = Field('results/regions/weight', 'Boltzmann weight: share of the frames at the lowest temperature', array(np.float64), axes=('region',))
    bounds = Field('results/regions/bounds', '95 %; the lower one holds whether or not the walks have come to rest, the upper one if they have', array(np.float64), axes=('region', 'end'))
    visits = Field('results/regions/visits', 'independent visits of walks, effectively', array(np.float64), axes=('region',))
    sets = Field('results/regions/sets', 'independent sets of walks that reached it', array(np.int64), axes=('region',))
    drawn = Field('results/regions/drawn', 'samples in it and around it', array(np.int64), axes=('region',))
    samples_weight = Field('results/regions/samples_weight', 'their share of all weight', array(np.float64), axes=('region',))
    effective = Field('results/regions/effective', "Kish's, of these samples", array(np.float64), axes=('region',))
    expected = Field('results/regions/expected', 'effective samples that the dynamics asks for, by the lower bound and by the weight', array(np.float64), axes=('region', 'bound'))
    delta_f_shift = Field('results/regions/delta_f_shift', "what dF moves by where the lower bound of the region's weight joins the samples; not finite where a state of it had no weight", array(np.float64), unit='kT', axes=('region',))


class ExploreResults(Group):
    torsions = Below(ExploreResultsTorsions)
    explored = Below(ExploreResultsExplored)
    verdict = Field('results/verdict', 'missing, none found, or cannot tell, where walks or samples are too few for that to say anything', text)
    missing = Field('results/missing', 'regions that the emulator misses', int)
    missing_weight = Field('results/missing_weight', 'lower bound of the Boltzmann weight of the heaviest of them; 0 without any', float)
    regions = Below(ExploreResultsRegions)
    frame_region = Field('results/frame_region', 'which region each frame lies in, from 0; -1 for none', array(np.int64), axes=('frame',))
    effective_samples = Field('results/effective_samples', "Kish's, of the weighted samples", float)
    arrivals = Field('results/arrivals', 'how often a walk came to the lowest temperature from the highest', int)
    smallest_weight = Field('results/smallest_weight', 'a region of this weight would have been found in 19 of 20 cases, if the hottest walks cross all barriers on their way', float)
    settled_from = Field('results/settled_from', 'the first round that counts', int)
    ensemble = Field('results/ensemble', 'where bonds were held: which ensemble the dynamics belongs to', text)
    simulated_time = Field('results/simulated_time', 'of all walks', float, unit='ps')
    energy_evaluations = Field('results/energy_evaluations', 'steps of dynamics, and what moves cost', int)
    turned_torsions = Field('results/turned_torsions', 'torsions that moves turned', texts, axes=('torsion',))
    turn_acceptance = Field('results/turn_acceptance', 'share of moves that were taken', array(np.float64), axes=('torsion',))
    force_provider = Field('results/force_provider', 'what computed the forces', text)
    force_deviation = Field('results/force_deviation', "largest difference from OpenMM's, relative", float)
    seconds = Field('results/seconds', 'wall time of the dynamics', float, unit='s')


class ExploreLadder(Group):
    temperatures = Field('ladder/temperatures', 'of the ladder, the lowest first', array(np.float64), unit='K', axes=('rung',))
    torsions = Field('ladder/torsions', 'before each exchange', array(np.float32), unit='rad', axes=('round', 'set', 'rung', 'torsion'))
    energies = Field('ladder/energies', 'potential energies before each exchange', array(np.float64), unit='kJ/mol', axes=('round', 'set', 'rung'))
    walks = Field('ladder/walks', 'which walk is at each temperature before the exchange, from 0', array(np.int64), axes=('round', 'set', 'rung'))
    starts = Field('ladder/starts', 'rows of the samples that the walks began at', array(np.int64), axes=('walk',))
    acceptance = Field('ladder/acceptance', 'of exchanges between a rung and the next', array(np.float64), axes=('pair',))


class Explore(Stage):
    _versions = {'explore': (1,)}
    _attributes = (
        Field('@conventions', "MDTraj's name of the convention: Pande", text),
        Field('@conventionVersion', '1.1', text),
        Field('@program', 'what wrote the file', text),
        Field('@programVersion', 'its version', text),
        Field('coordinates@origin', 'what lies at the origin: the centre of mass', text),
        Field('results/torsions/NAME@atoms', 'its four atoms, counted from 0', text),
    )
    topology = Field('topology', "the molecule, in MDTraj's JSON", texts, axes=('one',))
    coordinates = Field('coordinates', 'positions', array(np.float32), unit='nanometers', axes=('frame', 'atom', 'axis'))
    time = Field('time', 'of each frame, where it has one', array(np.float32), unit='picoseconds', axes=('frame',))
    results = Below(ExploreResults)
    ladder = Below(ExploreLadder)


class ToySamplesResults(Group):
    count = Field('results/count', 'how many', int)
    mean = Field('results/mean', 'of the draws', array(np.float64), axes=('coordinate',))
    covariance = Field('results/covariance', 'of the draws', array(np.float64), axes=('coordinate', 'coordinate'))


class ToySamples(Stage):
    _versions = {'toy-samples': (1,)}
    system = Field('system', 'name of the law', text)
    samples = Field('samples', 'independent draws', array(np.float64), axes=('sample', 'coordinate'))
    results = Below(ToySamplesResults)


class ToyEnergyModelTrainingTensors(Family[NDArray[np.float32]]):
    _family = 'training/tensors/NAME'
    _member = Field('training/tensors/NAME', "parameters, their moving average (average/...), constants and the optimiser's moments", array(np.float32))


class ToyEnergyModelTrainingCurve(Group):
    columns = Field('training/curve/columns', 'of the loss curve', texts, axes=('column',))
    steps = Field('training/curve/steps', 'of its rows', array(np.int64), axes=('row',))
    rows = Field('training/curve/rows', 'its rows', array(np.float64), axes=('row', 'column'))


class ToyEnergyModelTraining(Group):
    step = Field('training/step', 'optimisation steps so far', int)
    halvings = Field('training/halvings', 'of the learning rate, where training broke', int)
    tensors = Below(ToyEnergyModelTrainingTensors)
    generator = Field('training/generator', 'state of the random stream', array(np.uint8), axes=('byte',))
    curve = Below(ToyEnergyModelTrainingCurve)


class ToyEnergyModelResultsLoss(Family[NDArray[np.float64]]):
    _family = 'results/loss/NAME'
    step = Field('results/loss/step', 'optimisation steps', array(np.int64), axes=('step',))
    _member = Field('results/loss/NAME', 'a loss: train, validation, score, contrastive, label, score_label', array(np.float64), axes=('step',))


class ToyEnergyModelResultsGrid(Group):
    x = Field('results/grid/x', 'places of the grid', array(np.float64), axes=('x',))
    y = Field('results/grid/y', 'places of the grid', array(np.float64), axes=('y',))
    log_density = Field('results/grid/log_density', "the model's, normalised on the grid", array(np.float64), unit='nat', axes=('y', 'x'))
    true_log_density = Field('results/grid/true_log_density', '-inf where there is no density', array(np.float64), unit='nat', axes=('y', 'x'))


class ToyEnergyModelResults(Group):
    loss = Below(ToyEnergyModelResultsLoss)
    kl = Field('results/kl', 'KL(truth || model) on the grid, both normalised there', float, unit='nat')
    parameters = Field('results/parameters', 'of the network', int)
    grid = Below(ToyEnergyModelResultsGrid)


class ToyEnergyModel(Stage):
    _versions = {'toy-energy-model': (1,)}
    training = Below(ToyEnergyModelTraining)
    results = Below(ToyEnergyModelResults)


class UmbrellaWalks(Group):
    torsions = Field('walks/torsions', 'in place of torsions where windows differ in length: direction by direction, window by window', array(np.float64), unit='rad', axes=('sample', 'torsion'))
    count = Field('walks/count', 'samples of each window in each direction, where windows differ in length', array(np.int64), axes=('window',))
    shared_bias = Field('walks/shared_bias', 'in place of shared_bias where windows differ in length', array(np.float64), unit='kJ/mol', axes=('sample',))


class UmbrellaResultsDeltaFError(Group):
    bootstrap = Field('results/delta_f_error/bootstrap', 'standard error, by blocks', float, unit='kT')
    correlated = Field('results/delta_f_error/correlated', 'from statistical inefficiencies', float, unit='kT')
    mbar = Field('results/delta_f_error/mbar', "MBAR's own", float, unit='kT')


class UmbrellaResultsStates(Group):
    names = Field('results/states/names', 'of `system.states`, the rest last', texts, axes=('state',))
    population = Field('results/states/population', 'share; nan where it is not determined', array(np.float64), axes=('state',))
    standard_error = Field('results/states/standard_error', 'one standard error', array(np.float64), axes=('state',))
    interval = Field('results/states/interval', '95 %', array(np.float64), axes=('state', 'end'))
    effective_samples = Field('results/states/effective_samples', "Kish's, of the state's samples by their weights", array(np.float64), axes=('state',))
    unweighted = Field('results/states/unweighted', 'reweight: shares of the samples as they were drawn', array(np.float64), axes=('state',))
    trajectory = Field('results/states/trajectory', 'reweight: shares of the frames that the emulator learnt from', array(np.float64), axes=('state',))


class UmbrellaResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f = Field('results/pairs/delta_f', '-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/pairs/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))
    interval = Field('results/pairs/interval', '95 %', array(np.float64), unit='kT', axes=('pair', 'end'))


class UmbrellaResultsProfile(Family[NDArray[np.float64]]):
    _family = 'results/profile/NAME'
    _member = Field('results/profile/NAME', 'middles of the bins of the torsion of that name', array(np.float64), unit='rad', axes=('bin',))
    free_energy = Field('results/profile/free_energy', 'minimum 0', array(np.float64), unit='kT', axes=('bin',))
    standard_error = Field('results/profile/standard_error', 'its error', array(np.float64), unit='kT', axes=('bin',))


class UmbrellaResultsCoverage(Group):
    weakest_link = Field('results/coverage/weakest_link', 'least overlap that holds the windows together', float)
    slid_windows = Field('results/coverage/slid_windows', 'whose samples left their place', int)
    fewest_samples_between_lines = Field('results/coverage/fewest_samples_between_lines', 'between neighbouring lines of windows', array(np.int64), axes=('coordinate',))
    largest_shift = Field('results/coverage/largest_shift', "of a window's mean from its centre", array(np.float64), unit='rad', axes=('coordinate',))


class UmbrellaResultsSlowTorsionsBasins(Group):
    center = Field('results/slow_torsions/basins/center', 'nan where there is none', array(np.float64), unit='rad', axes=('torsion', 'basin'))
    population = Field('results/slow_torsions/basins/population', 'share of the frames', array(np.float64), axes=('torsion', 'basin'))
    changes = Field('results/slow_torsions/basins/changes', 'times it was entered or left; -1 for none', array(np.int64), axes=('torsion', 'basin'))
    halves = Field('results/slow_torsions/basins/halves', 'shares in the first and second halves of each stretch of time', array(np.float64), axes=('torsion', 'basin', 'half'))


class UmbrellaResultsSlowTorsions(Group):
    names = Field('results/slow_torsions/names', 'rotatable torsions without a bias', texts, axes=('torsion',))
    fold = Field('results/slow_torsions/fold', '2 pi / fold is a full turn', array(np.int64), axes=('torsion',))
    changes = Field('results/slow_torsions/changes', 'of the basin', array(np.int64), axes=('torsion',))
    sampled = Field('results/slow_torsions/sampled', '1 where every basin was changed often enough, and halves agree', array(np.uint8), axes=('torsion',))
    basins = Below(UmbrellaResultsSlowTorsionsBasins)
    disagreeing_windows = Field('results/slow_torsions/disagreeing_windows', 'umbrella sampling: windows in which the two walks stand in different basins', array(np.int64), axes=('torsion',))


class UmbrellaResults(Group):
    lowered_torsions = Field('results/lowered_torsions', 'whose barriers were lowered', texts, axes=('torsion',))
    lowered_by = Field('results/lowered_by', 'by how much', array(np.float64), unit='kJ/mol', axes=('torsion',))
    lowered_ess_fraction = Field('results/lowered_ess_fraction', "Kish's fraction of the weights that undo it", float)
    delta_f = Field('results/delta_f', '-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples carry it', float, unit='kT')
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', float, unit='kT')
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('end',))
    ensemble = Field('results/ensemble', 'where bonds are or were held: which ensemble the number belongs to', text)
    delta_f_error = Below(UmbrellaResultsDeltaFError)
    delta_f_halves = Field('results/delta_f_halves', 'dF from parts of the data', array(np.float64), unit='kT', axes=('part',))
    delta_f_directions = Field('results/delta_f_directions', 'dF from parts of the data', array(np.float64), unit='kT', axes=('part',))
    states = Below(UmbrellaResultsStates)
    pairs = Below(UmbrellaResultsPairs)
    profile = Below(UmbrellaResultsProfile)
    overlap = Field('results/overlap', "MBAR's overlap matrix", array(np.float64), axes=('window', 'window'))
    window_free_energy = Field('results/window_free_energy', 'nan where the estimate leaves the window out', array(np.float64), unit='kT', axes=('window',))
    statistical_inefficiency = Field('results/statistical_inefficiency', 'of the slowest torsion there', array(np.float64), unit='samples', axes=('window',))
    correlation_time = Field('results/correlation_time', 'of the slowest torsion there', array(np.float64), unit='ps', axes=('window',))
    slowest_torsion = Field('results/slowest_torsion', 'which it is', texts, axes=('window',))
    windows_left_out = Field('results/windows_left_out', 'those above the ceiling', int)
    windows_not_sampled = Field('results/windows_not_sampled', 'those above the ceiling that have no more than a first pass, where target_error is given', int)
    rounds = Field('results/rounds', 'of sampling, after the first pass, where target_error is given', int)
    window_variance = Field('results/window_variance', 'what each adds to the variance of dF, where target_error is given', array(np.float64), unit='kT2', axes=('window',))
    short_windows = Field('results/short_windows', 'too short for their correlation time', int)
    mbar_gradient = Field('results/mbar_gradient', "largest component left, of MBAR's equations", float)
    coverage = Below(UmbrellaResultsCoverage)
    slow_torsions = Below(UmbrellaResultsSlowTorsions)
    simulated_time = Field('results/simulated_time', 'of all windows', float, unit='ps')
    energy_evaluations = Field('results/energy_evaluations', 'steps of dynamics, and what moves cost', int)
    turned_torsions = Field('results/turned_torsions', 'torsions that moves turned', texts, axes=('torsion',))
    turn_acceptance = Field('results/turn_acceptance', 'share of moves that were taken', array(np.float64), axes=('torsion',))
    exchange_acceptance = Field('results/exchange_acceptance', 'where windows exchange frames', array(np.float64), axes=('coordinate',))
    force_provider = Field('results/force_provider', 'what computed the forces', text)
    force_deviation = Field('results/force_deviation', "largest difference from OpenMM's, relative", float)
    seconds = Field('results/seconds', 'wall time of the dynamics', float, unit='s')


class Umbrella(Stage):
    _versions = {'umbrella': (3, 2)}
    _attributes = (
        Field('results/delta_f_halves@parts', 'their names', text),
        Field('results/delta_f_directions@parts', 'their names', text),
    )
    torsions = Field('torsions', 'the biased ones first', array(np.float64), unit='rad', axes=('direction', 'window', 'sample', 'torsion'))
    walks = Below(UmbrellaWalks)
    torsion_names = Field('torsion_names', 'their names', texts, axes=('torsion',))
    centers = Field('centers', 'of the biases', array(np.float64), unit='rad', axes=('window', 'coordinate'))
    force_constants = Field('force_constants', 'of k/2 (torsion - centre)^2', array(np.float64), unit='kJ/mol/rad2', axes=('coordinate',))
    end_coordinates = Field('end_coordinates', 'the last frame of every window', array(np.float64), unit='nm', axes=('direction', 'window', 'atom', 'axis'))
    shared_bias = Field('shared_bias', 'of lowered barriers, where there are any: a sample counts exp(it / kT) times', array(np.float64), unit='kJ/mol', axes=('direction', 'window', 'sample'))
    results = Below(UmbrellaResults)


class WindowsWindowsTorsionCenters(Family[NDArray[np.float64]]):
    _family = 'windows/torsion_centers/NAME'
    _member = Field('windows/torsion_centers/NAME', 'centres of the biases on the torsion of that name', array(np.float64), unit='rad', axes=('window',))


class WindowsWindowsTorsionForceConstants(Family[NDArray[np.float64]]):
    _family = 'windows/torsion_force_constants/NAME'
    _member = Field('windows/torsion_force_constants/NAME', 'of k/2 (torsion - centre)^2', array(np.float64), unit='kJ/mol/rad2', axes=('window',))


class WindowsWindowsDistanceCenters(Family[NDArray[np.float64]]):
    _family = 'windows/distance_centers/NAME'
    _member = Field('windows/distance_centers/NAME', 'centres of the biases on the distance of that name', array(np.float64), unit='nm', axes=('window',))


class WindowsWindowsDistanceForceConstants(Family[NDArray[np.float64]]):
    _family = 'windows/distance_force_constants/NAME'
    _member = Field('windows/distance_force_constants/NAME', 'of k/2 (distance - centre)^2', array(np.float64), unit='kJ/mol/nm2', axes=('window',))


class WindowsWindows(Group):
    coordinates = Field('windows/coordinates', 'names of what the biases act on', texts, axes=('coordinate',))
    files = Field('windows/files', "where each window's samples come from", texts, axes=('window',))
    torsion_centers = Below(WindowsWindowsTorsionCenters)
    torsion_force_constants = Below(WindowsWindowsTorsionForceConstants)
    distance_centers = Below(WindowsWindowsDistanceCenters)
    distance_force_constants = Below(WindowsWindowsDistanceForceConstants)
    temperature = Field('windows/temperature', 'of its dynamics', array(np.float64), unit='K', axes=('window',))


class WindowsSamplesTorsions(Family[NDArray[np.float64]]):
    _family = 'samples/torsions/NAME'
    _member = Field('samples/torsions/NAME', 'the torsion of that name', array(np.float64), unit='rad', axes=('sample',))


class WindowsSamplesDistances(Family[NDArray[np.float64]]):
    _family = 'samples/distances/NAME'
    _member = Field('samples/distances/NAME', 'the distance of that name', array(np.float64), unit='nm', axes=('sample',))


class WindowsSamples(Group):
    window = Field('samples/window', 'which window it is from', array(np.int64), axes=('sample',))
    place = Field('samples/place', 'its place among the samples taken of that window', array(np.int64), axes=('sample',))
    torsions = Below(WindowsSamplesTorsions)
    distances = Below(WindowsSamplesDistances)
    log_weights = Field('samples/log_weights', 'normalised (sum of w = 1), of the ensemble without biases', array(np.float64), axes=('sample',))


class WindowsResultsDeltaFError(Group):
    bootstrap = Field('results/delta_f_error/bootstrap', 'standard error, by blocks', float, unit='kT')
    correlated = Field('results/delta_f_error/correlated', 'from statistical inefficiencies', float, unit='kT')
    mbar = Field('results/delta_f_error/mbar', "MBAR's own", float, unit='kT')


class WindowsResultsStates(Group):
    names = Field('results/states/names', 'of `system.states`, the rest last', texts, axes=('state',))
    population = Field('results/states/population', 'share; nan where it is not determined', array(np.float64), axes=('state',))
    standard_error = Field('results/states/standard_error', 'one standard error', array(np.float64), axes=('state',))
    interval = Field('results/states/interval', '95 %', array(np.float64), axes=('state', 'end'))
    effective_samples = Field('results/states/effective_samples', "Kish's, of the state's samples by their weights", array(np.float64), axes=('state',))
    unweighted = Field('results/states/unweighted', 'reweight: shares of the samples as they were drawn', array(np.float64), axes=('state',))
    trajectory = Field('results/states/trajectory', 'reweight: shares of the frames that the emulator learnt from', array(np.float64), axes=('state',))


class WindowsResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f = Field('results/pairs/delta_f', '-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined', array(np.float64), unit='kT', axes=('pair',))
    standard_error = Field('results/pairs/standard_error', 'one standard error', array(np.float64), unit='kT', axes=('pair',))
    interval = Field('results/pairs/interval', '95 %', array(np.float64), unit='kT', axes=('pair', 'end'))


class WindowsResultsProfile(Family[NDArray[np.float64]]):
    _family = 'results/profile/NAME'
    _member = Field('results/profile/NAME', 'middles of the bins of the torsion of that name', array(np.float64), unit='rad', axes=('bin',))
    free_energy = Field('results/profile/free_energy', 'minimum 0', array(np.float64), unit='kT', axes=('bin',))
    standard_error = Field('results/profile/standard_error', 'its error', array(np.float64), unit='kT', axes=('bin',))


class WindowsResultsDistanceProfile(Family[NDArray[np.float64]]):
    _family = 'results/distance_profile/NAME'
    _member = Field('results/distance_profile/NAME', 'middles of the bins of the distance of that name, where the profile is along one', array(np.float64), unit='nm', axes=('bin',))


class WindowsResultsCoverage(Group):
    weakest_link = Field('results/coverage/weakest_link', 'least overlap that holds the windows together', float)
    slid_windows = Field('results/coverage/slid_windows', 'whose samples left their place', int)
    fewest_samples_between_lines = Field('results/coverage/fewest_samples_between_lines', 'between neighbouring lines of windows', array(np.int64), axes=('coordinate',))


class WindowsResults(Group):
    delta_f = Field('results/delta_f', '-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples carry it', float, unit='kT')
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', float, unit='kT')
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('end',))
    ensemble = Field('results/ensemble', 'where bonds are or were held: which ensemble the number belongs to', text)
    delta_f_error = Below(WindowsResultsDeltaFError)
    delta_f_halves = Field('results/delta_f_halves', 'dF from parts of the data', array(np.float64), unit='kT', axes=('part',))
    states = Below(WindowsResultsStates)
    pairs = Below(WindowsResultsPairs)
    profile = Below(WindowsResultsProfile)
    distance_profile = Below(WindowsResultsDistanceProfile)
    overlap = Field('results/overlap', "MBAR's overlap matrix", array(np.float64), axes=('window', 'window'))
    window_free_energy = Field('results/window_free_energy', 'nan where the estimate leaves the window out', array(np.float64), unit='kT', axes=('window',))
    statistical_inefficiency = Field('results/statistical_inefficiency', 'of the slowest torsion there', array(np.float64), unit='samples', axes=('window',))
    correlation_time = Field('results/correlation_time', 'of the slowest torsion there', array(np.float64), unit='ps', axes=('window',))
    slowest_torsion = Field('results/slowest_torsion', 'which it is', texts, axes=('window',))
    short_windows = Field('results/short_windows', 'too short for their correlation time', int)
    mbar_gradient = Field('results/mbar_gradient', "largest component left, of MBAR's equations", float)
    coverage = Below(WindowsResultsCoverage)


class Windows(Stage):
    _versions = {'windows': (1,)}
    _attributes = (
        Field('results/delta_f_halves@parts', 'their names', text),
    )
    windows = Below(WindowsWindows)
    samples = Below(WindowsSamples)
    results = Below(WindowsResults)


class CompareResultsAudited(Group):
    delta_f_difference = Field('results/audited/delta_f_difference', 'samples minus reference', float, unit='kT')
    delta_f_error = Field('results/audited/delta_f_error', 'the same without its sign', float, unit='kT')
    delta_f_error_standard_error = Field('results/audited/delta_f_error_standard_error', 'of both together', float, unit='kT')


class CompareResultsPairs(Group):
    from_ = Field('results/pairs/from', 'the first state of each pair', texts, axes=('pair',))
    to = Field('results/pairs/to', 'the second', texts, axes=('pair',))
    delta_f_difference = Field('results/pairs/delta_f_difference', 'samples minus reference', array(np.float64), unit='kT', axes=('pair',))
    delta_f_difference_standard_error = Field('results/pairs/delta_f_difference_standard_error', 'of both together', array(np.float64), unit='kT', axes=('pair',))
    delta_f_reference = Field('results/pairs/delta_f_reference', "the reference's", array(np.float64), unit='kT', axes=('pair',))


class CompareResultsCost(Group):
    energy_evaluations = Field('results/cost/energy_evaluations', "of the samples' side: the dynamics it was trained on and the reweighting", int)
    energy_evaluations_reference = Field('results/cost/energy_evaluations_reference', 'of the reference', int)
    energy_saving = Field('results/cost/energy_saving', 'the second over the first', float)
    seconds = Field('results/cost/seconds', "wall time of the samples' side", float, unit='s')
    seconds_reference = Field('results/cost/seconds_reference', 'of the reference', float, unit='s')


class CompareResultsMd(Group):
    time = Field('results/md/time', "of dynamics like the simulate stage's for the same error", float, unit='ps')
    energy_evaluations = Field('results/md/energy_evaluations', 'its energies', float)
    speed_up = Field('results/md/speed_up', 'these over ours', float)
    seconds = Field('results/md/seconds', 'wall time of that dynamics', float, unit='s')
    wall_speed_up = Field('results/md/wall_speed_up', 'it over ours', float)
    error = Field('results/md/error', 'the error that is meant', float, unit='kT')
    exits = Field('results/md/exits', 'exits from the state that the rate stands on; with none, times are lower bounds', int)


class CompareResults(Group):
    delta_f_difference = Field('results/delta_f_difference', 'samples minus reference', float, unit='kT')
    delta_f_error = Field('results/delta_f_error', 'the same without its sign', float, unit='kT')
    delta_f_error_standard_error = Field('results/delta_f_error_standard_error', 'of both together', float, unit='kT')
    audited = Below(CompareResultsAudited)
    pairs = Below(CompareResultsPairs)
    t_w2 = Field('results/t_w2', 'samples to reference, on the torus', float, unit='rad')
    t_w2_floor = Field('results/t_w2_floor', 'one half of the reference to the other', float, unit='rad')
    t_w2_unweighted = Field('results/t_w2_unweighted', 'samples without weights', float, unit='rad')
    t_w2_published = Field('results/t_w2_published', 'with angles modulo pi, for comparison with published values alone', float, unit='rad')
    t_w2_published_floor = Field('results/t_w2_published_floor', 'its floor', float, unit='rad')
    e_w2 = Field('results/e_w2', 'samples to reference, of energies', float, unit='kT')
    e_w2_floor = Field('results/e_w2_floor', 'one half of the reference to the other', float, unit='kT')
    e_w2_unweighted = Field('results/e_w2_unweighted', 'samples without weights', float, unit='kT')
    e_w2_coverage = Field('results/e_w2_coverage', "share of the reference in cells that the energies' frames visit", float)
    cost = Below(CompareResultsCost)
    md = Below(CompareResultsMd)


class Compare(Stage):
    _versions = {'compare': (2,)}
    results = Below(CompareResults)


class ReportResults(Group):
    stages = Field('results/stages', 'their names', texts, axes=('stage',))
    delta_f = Field('results/delta_f', 'free-energy difference', array(np.float64), unit='kT', axes=('stage',))
    delta_f_standard_error = Field('results/delta_f_standard_error', 'one standard error', array(np.float64), unit='kT', axes=('stage',))
    delta_f_interval = Field('results/delta_f_interval', '95 %', array(np.float64), unit='kT', axes=('stage', 'end'))
    ess_fraction = Field('results/ess_fraction', "Kish's, of all samples", array(np.float64), axes=('stage',))
    ess_fraction_truncated = Field('results/ess_fraction_truncated', 'without the largest weights', array(np.float64), axes=('stage',))
    kl = Field('results/kl', 'where a system of known density is among them', array(np.float64), unit='nat', axes=('stage',))
    table = Field('results/table', 'the table as it was printed, without times', text)


class Report(Stage):
    _versions = {'report': (1,)}
    results = Below(ReportResults)


STAGES: dict[str, type[Stage]] = {
    'simulate': Simulate,
    'ingest': Ingest,
    'emulator': Emulator,
    'imported-emulator': Emulator,
    'transferred-emulator': Emulator,
    'refined-emulator': Emulator,
    'transferable-emulator': TransferableEmulator,
    'perturb': Perturb,
    'sample': Sample,
    'energy-model': EnergyModel,
    'anneal': Anneal,
    'reweight': Reweight,
    'cycle': Cycle,
    'audit': Audit,
    'explore': Explore,
    'toy-samples': ToySamples,
    'toy-energy-model': ToyEnergyModel,
    'umbrella': Umbrella,
    'windows': Windows,
    'compare': Compare,
    'report': Report,
}
