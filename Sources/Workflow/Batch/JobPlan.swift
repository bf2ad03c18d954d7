/// The jobs that run a pipeline's stages: arrays of tasks that wait for each other.
struct JobPlan: Equatable {
  /// A job or the task of an array, of this plan or in the queue already.
  struct TaskReference: Hashable {
    enum Job: Hashable {
      case planned(Int)
      case queued(String)  // The batch system's number
    }

    let job: Job
    let task: Int?  // Within the array; nil for a job that is none
  }

  struct Task: Equatable {
    let id: Int?  // Nil for a job that is no array
    let stages: [String]  // In the order in which they run
  }

  /// What has to end well before a job's tasks begin.
  enum Dependency: Hashable {
    case corresponding(TaskReference.Job)  // For each task, the other job's task of the same number
    case all([TaskReference])  // For each task, all of these

    /// As the batch system is told it: by the jobs' numbers.
    func named(_ number: (TaskReference.Job) -> String) -> BatchJob.Dependency {
      switch self {
      case .corresponding(let job): .corresponding(job: number(job))
      case .all(let tasks): .all(tasks.map { (number($0.job), $0.task) })
      }
    }
  }

  struct Job: Equatable {
    let name: String  // Of a file: `emulator`, `system`, `emulator~2`
    let resources: BatchResources
    var tasks: [Task]
    let dependencies: [Dependency]
  }

  private(set) var jobs: [Job] = []  // A job comes after those it waits for

  /// The jobs for these stages. `queued` says which further stages are on their way, and where.
  ///
  /// Stages become jobs, or tasks, by the profile's unit. Where a stage that does not belong to an entry of the unit's axis
  /// stands between two that do, the entry's stages are divided, so that no job waits for one that waits for it.
  init(
    _ pipeline: PipelineDefinition, stages names: Set<String>, queued: [String: TaskReference] = [:],
    profile: BatchProfile
  ) {
    let needed = pipeline.stages.filter { names.contains($0.name) }
    let units = Self.units(needed, names: names, pipeline: pipeline, profile: profile)
    let array = profile.maximumArray ?? BatchLimits.usualArray
    var groups: [Signature: Int] = [:]
    var places: [String: TaskReference] = queued
    var usedNames: [String: Int] = [:]
    /// What has to have ended before a task may begin, directly or not.
    var before: [TaskReference: Set<TaskReference>] = [:]
    for unit in units {
      let members = Set(unit.stages.map(\.name))
      let id = unit.number.map { $0 % array }
      var needs: Set<TaskReference> = []
      for stage in unit.stages {
        for input in stage.keyInputs(in: pipeline) where !members.contains(input) {
          if let place = places[input] { needs.insert(place) }
        }
      }
      let all = needs.reduce(into: needs) { $0.formUnion(before[$1] ?? []) }
      // a task that another one waits for already need not be named
      for need in needs { needs.subtract(before[need] ?? []) }
      let resources = profile.resources(for: unit.stages)
      let signature = Signature(
        name: unit.name, block: unit.number.map { $0 / array }, isArray: id != nil, resources: resources,
        dependencies: Self.dependencies(needs, of: id))
      let index: Int
      if let found = groups[signature], id != nil {
        index = found
      } else {
        index = jobs.count
        groups[signature] = index
        let count = usedNames[unit.name, default: 0] + 1
        usedNames[unit.name] = count
        jobs.append(
          Job(
            name: count == 1 ? unit.name : "\(unit.name)~\(count)", resources: resources, tasks: [],
            dependencies: signature.dependencies))
      }
      jobs[index].tasks.append(Task(id: id, stages: unit.stages.map(\.name)))
      let own = TaskReference(job: .planned(index), task: id)
      before[own] = all
      for stage in unit.stages { places[stage.name] = own }
    }
    for index in jobs.indices { jobs[index].tasks.sort { $0.id ?? 0 < $1.id ?? 0 } }
  }

  /// What the tasks of one array have in common.
  private struct Signature: Hashable {
    let name: String
    let block: Int?
    let isArray: Bool
    let resources: BatchResources
    let dependencies: [Dependency]
  }

  /// Of each job that is needed, whether it is the task of the same number alone, or which tasks.
  private static func dependencies(_ needs: Set<TaskReference>, of id: Int?) -> [Dependency] {
    var byJob: [TaskReference.Job: [TaskReference]] = [:]
    for need in needs { byJob[need.job, default: []].append(need) }
    let order = byJob.keys.sorted { Self.precedes($0, $1) }
    var found: [Dependency] = []
    for job in order {
      let references = (byJob[job] ?? []).sorted { $0.task ?? -1 < $1.task ?? -1 }
      if let id, references.count == 1, references[0].task == id {
        found.append(.corresponding(job))
      } else {
        found.append(.all(references))
      }
    }
    return found
  }

  private static func precedes(_ a: TaskReference.Job, _ b: TaskReference.Job) -> Bool {
    switch (a, b) {
    case (.planned(let first), .planned(let second)): first < second
    case (.queued(let first), .queued(let second)): (first.count, first) < (second.count, second)
    case (.planned, .queued): true
    case (.queued, .planned): false
    }
  }

  // MARK: Units

  private struct Unit {
    let name: String
    let number: Int?  // The task's number; nil outside the matrix
    let stages: [StageDefinition]
  }

  /// The stages that run one after another in one task, each such group after those it needs.
  private static func units(
    _ stages: [StageDefinition], names: Set<String>, pipeline: PipelineDefinition, profile: BatchProfile
  ) -> [Unit] {
    var levels: [String: Int] = [:]
    var families: [String: String] = [:]
    var order: [String] = []
    var members: [String: [StageDefinition]] = [:]
    for stage in stages {
      let family = Self.family(stage, profile.unit)
      families[stage.name] = family
      var level = 0
      for input in stage.keyInputs(in: pipeline) where names.contains(input) {
        level = max(level, (levels[input] ?? 0) + (families[input] == family ? 0 : 1))
      }
      levels[stage.name] = level
      let key = "\(level) \(family)"
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(stage)
    }
    let level = { (key: String) in members[key]?.first.flatMap { levels[$0.name] } ?? 0 }
    var numbers = Numbers(pipeline: pipeline)
    let sorted = order.enumerated().sorted { (level($0.element), $0.offset) < (level($1.element), $1.offset) }
    return sorted.compactMap { _, key in
      guard let stages = members[key], let first = stages.first else { return nil }
      if case .axis(let axis) = profile.unit, let entry = first.cell.first(where: { $0.axis == axis }) {
        return Unit(name: axis, number: numbers.number(of: entry), stages: stages)
      }
      return Unit(name: first.base, number: numbers.number(of: first), stages: stages)
    }
  }

  /// Stages of one family that do not wait for others between them run in one task.
  private static func family(_ stage: StageDefinition, _ unit: BatchProfile.Unit) -> String {
    if case .axis(let axis) = unit, let entry = stage.cell.first(where: { $0.axis == axis }) {
      return "\(axis)=\(entry.label)"
    }
    return stage.name
  }

  /// Numbers of tasks: a search for each stage would take as long as stages times combinations.
  private struct Numbers {
    let pipeline: PipelineDefinition
    /// By the places of axes: the number of each list of their labels.
    var known: [[Int]: [[String]: Int]] = [:]
    var ranks: [String: [String: Int]] = [:]  // By axis: the place of each label

    /// The first combination of the matrix that the stage belongs to; nil for a stage outside the matrix.
    mutating func number(of stage: StageDefinition) -> Int? {
      stage.cell.isEmpty ? nil : firsts(stage.cell.map(\.axis))[stage.cell.map(\.label)]
    }

    /// Of an entry among those of its axis.
    mutating func number(of entry: StageDefinition.Coordinate) -> Int? {
      if ranks[entry.axis] == nil {
        let order = firsts([entry.axis]).sorted { $0.value < $1.value }.map { $0.key.first ?? "" }
        ranks[entry.axis] = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
      }
      return ranks[entry.axis]?[entry.label]
    }

    private mutating func firsts(_ axes: [String]) -> [[String]: Int] {
      let places = axes.compactMap { axis in pipeline.axes.firstIndex { $0 == axis } }
      if let found = known[places] { return found }
      var found: [[String]: Int] = [:]
      for (number, cell) in pipeline.cells.enumerated() {
        let labels = places.map { cell[$0] }
        if found[labels] == nil { found[labels] = number }
      }
      known[places] = found
      return found
    }
  }
}
