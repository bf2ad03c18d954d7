import Workflow

extension IngestStage {
  struct Inputs: StageInputs {
    let simulation = Input("", of: SimulateStage.self, optional: true)
  }
}
