import Workflow

extension StageCatalog {
  /// What the times of stage types grow with. Of those that are left out there is no estimate: they take seconds, or nobody can tell.
  static let paces = [
    StagePace(SimulateStage.type, work: [("runs", false), ("length", false)]),
    StagePace(
      EmulatorStage.type, work: [("training.steps", true)],
      indifferent: ["state_share", "state_shares", "validation_fraction", "record_every"]),
    StagePace(
      SampleStage.type, work: [("count", false), ("ode_steps", false)], indifferent: ["batch"],
      alike: ["emulator.network", "emulator.coordinates", "emulator.flows"]),
    StagePace(EnergyModelStage.type, work: [("training.steps", true)]),
    StagePace(AnnealStage.type, work: [("samples.count", false), ("steps", false)], indifferent: ["batch"]),
    StagePace(ReweightStage.type, work: [("samples.count", false)]),
    StagePace(AuditStage.type, work: [("samples", false)], indifferent: ["batch", "bootstrap"]),
    // how long windows become until an error is reached nobody can tell in proportion
    StagePace(UmbrellaStage.type, work: [], indifferent: ["profile_bins", "overlap_threshold", "bootstrap"]),
  ]

  /// Times of the stages of an engine's pipeline.
  public static func estimates(_ engine: Engine) -> TimeEstimates {
    TimeEstimates(engine, paces: paces, measured: measured, subject: (.topology, "molecule"))
  }

  private static let place = "with pipelines/alanine.yaml (22 atoms) on two cores of a server"

  /// The stages of pipelines/alanine.yaml as docs/results/alanine.md has them.
  static let measured = [
    MeasuredStage(EmulatorStage.type, methods: ["sampled_by": "file"], seconds: 107, place: place),
    MeasuredStage(
      SampleStage.type, given: ["count": 30_000, "ode_steps": 6, "scores": true],
      inputs: ["emulator": EmulatorStage.type],
      seconds: 78, place: place),
    MeasuredStage(EnergyModelStage.type, seconds: 137, place: place),
    MeasuredStage(
      SampleStage.type, given: ["count": 100_000, "ode_steps": 6], inputs: ["emulator": EmulatorStage.type],
      seconds: 84, place: place),
    MeasuredStage(
      UmbrellaStage.type,
      given: [
        "windows": [24, 12], "force_constant": [140, 25], "production": 300.0, "equilibration": 4.0,
        "hydrogen_mass": 3.0, "timestep": 0.002, "ceiling": 12.0, "target_error": 0.04, "coordinates": ["phi", "psi"],
        "bootstrap": 50,
      ], methods: ["forcefield": "file"], seconds: 227, place: place),
  ]
}
