import Workflow

extension IngestStage {
  struct Inputs: StageInputs {
    let simulation = Input("", of: SimulateStage.self, optional: true)
  }
}

extension EmulatorStage {
  struct Inputs: StageInputs {
    let frames = Input("", of: IngestStage.self)
  }
}

extension SampleStage {
  struct Inputs: StageInputs {
    let emulator = Input("", of: EmulatorStage.self)
  }
}

extension EnergyModelStage {
  struct Inputs: StageInputs {
    let samples = Input("", of: SampleStage.self)
  }
}
