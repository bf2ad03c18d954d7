import ArgumentParser

@main struct Pipeline: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pipeline")
}
