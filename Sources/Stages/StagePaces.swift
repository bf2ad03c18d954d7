import Workflow

extension StageCatalog {
  /// What the times of stage types grow with. Of those that are left out there is no estimate: they take seconds, or nobody can tell.
  static let paces = [
    StagePace(SimulateStage.type, work: [("runs", nil), ("length", nil)]),
    StagePace(
      EmulatorStage.type, work: [("training.steps", 3000)],
      indifferent: ["state_share", "state_shares", "validation_fraction", "record_every"]),
    StagePace(
      SampleStage.type, work: [("count", nil), ("ode_steps", nil)], indifferent: ["batch"],
      alike: ["emulator.network"]),
    StagePace(EnergyModelStage.type, work: [("training.steps", 1500)]),
    StagePace(AnnealStage.type, work: [("samples.count", nil), ("steps", nil)], indifferent: ["batch"]),
    StagePace(ReweightStage.type, work: [("samples.count", nil)]),
    StagePace(AuditStage.type, work: [("samples", nil)], indifferent: ["batch", "bootstrap"]),
    StagePace(
      UmbrellaStage.type, work: [("windows", nil), ("production", nil)],
      indifferent: ["coordinates", "force_constant", "equilibration", "profile_bins", "overlap_threshold", "bootstrap"]),
  ]

  /// Times of the stages of an engine's pipeline.
  public static func estimates(_ engine: Engine) -> TimeEstimates {
    TimeEstimates(engine, paces: paces, measured: measured, subject: (.topology, "molecule"))
  }

  private static let place = "with pipelines/alanine.yaml (22 atoms) on two cores of a server"

  /// The stages of pipelines/alanine.yaml as docs/results/alanine.md has them.
  static let measured = [
    MeasuredStage(EmulatorStage.type, seconds: 107, place: place),
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
        "hydrogen_mass": 3.0, "timestep": 0.002, "ceiling": 12.0, "target_error": 0.04,
      ], seconds: 227, place: place),
  ]
}
