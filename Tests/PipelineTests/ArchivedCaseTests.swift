import Artifacts
import Foundation
import TestSupport
import Testing

/// What is kept of a finished run when its raw data, its intermediate results or all but the run folder are elsewhere; and what is never
/// written over. Through the real program.
@Suite(.serialized, .tags(.slow)) struct ArchivedCaseTests {
  private static let environment = ["OMP_WAIT_POLICY": "passive"]

  private func call(_ program: Program, _ words: String...) throws -> Program.Result {
    try program.finish(program.start(words, environment: Self.environment))
  }

  private func finished() throws -> Program {
    let program = try Program()
    try program.take("cases/archived")
    let run = try call(program, "run", "p.yaml", "--threads", "1")
    #expect(run.code == 0, "\(run.errors)")
    return program
  }

  @Test func finishedResultsOutliveTheirRawData() throws {
    let program = try finished()
    let raw = program.folder.appendingPathComponent("free.nc")
    let kept = try Data(contentsOf: raw)
    try FileManager.default.removeItem(at: raw)
    for words in [["report"], ["verify"], ["clean"], ["status"], ["explain"]] {
      let result = try program.finish(program.start(words + ["p.yaml"], environment: Self.environment))
      #expect(result.code == 0, "\(words): \(result.errors)")
    }
    #expect(
      try call(program, "status", "p.yaml").output.contains("its input free.nc is not there and was not compared"))
    #expect(try call(program, "export", "p.yaml", "fresh", "--output", "fresh.nc").code == 0)
    let plan = try call(program, "run", "p.yaml", "--dry-run")
    #expect(plan.code == 0 && plan.output.contains("its input free.nc is not there"), "\(plan.errors)")
    // with the finished stage as it is only by a word
    let refused = try call(program, "run", "p.yaml", "--threads", "1")
    #expect(refused.code == 2)
    #expect(
      refused.errors.contains("stage 'frames' is finished, and its input free.nc is not there"), "\(refused.errors)")
    let went = try call(program, "run", "p.yaml", "--threads", "1", "--archived", "--set", "fresh.count=30")
    #expect(went.code == 0, "\(went.errors)")
    #expect(
      went.errors.contains("fresh (sample): count: 40 -> 30") && !went.errors.contains("frames (ingest)"),
      "\(went.errors)")
    // a file that is needed is missed before anything is computed, as ever
    let needed = try call(program, "run", "p.yaml", "--threads", "1", "--archived", "--set", "frames.stride=2")
    #expect(needed.code == 2)
    #expect(
      needed.errors.contains("p.yaml:9:") && needed.errors.contains("there is no file free.nc"), "\(needed.errors)")
    #expect(try call(program, "check", "p.yaml").code == 2)
    // brought back, it is compared again
    try kept.write(to: raw)
    let again = try call(program, "run", "p.yaml", "--threads", "1", "--set", "fresh.count=30")
    #expect(again.code == 0 && again.output.components(separatedBy: "skipped").count == 6, "\(again.output)")
  }

  /// The run folder alone, on another path, says and gives all that is in it.
  @Test func theRunFolderAloneCanBeLookedAt() throws {
    let made = try finished()
    let program = try Program()
    try FileManager.default.moveItem(
      at: made.folder.appendingPathComponent("runs/archived"), to: program.folder.appendingPathComponent("kept here"))
    try FileManager.default.removeItem(at: made.folder.appendingPathComponent("p.yaml"))
    let status = try call(program, "status", "kept here")
    #expect(status.code == 0, "\(status.errors)")
    #expect(status.output.components(separatedBy: "up to date").count == 6, "\(status.output)")
    let report = try call(program, "report", "kept here")
    #expect(
      report.code == 0 && report.output.contains("page: kept here/report.html"), "\(report.output)\(report.errors)")
    #expect(try call(program, "verify", "kept here").output.hasSuffix("0 damaged\n"))
    #expect(
      try call(program, "export", "kept here", "fresh", "--output", "fresh.nc").output.contains("40 frames: fresh.nc"))
    #expect(try call(program, "inspect", "kept here", "traced").output.contains("delta_f"))
    let run = try call(program, "run", "kept here")
    #expect(run.code == 2 && run.errors.contains("needs the pipeline file"), "\(run.errors)")
    let other = try call(program, "status", program.folder.path)
    #expect(other.errors.contains("does not say which pipeline file made it"), "\(other.errors)")
    // what there is not cannot be sound
    let empty = try Program()
    try empty.take("cases/archived")
    let nothing = try call(empty, "verify", "p.yaml")
    #expect(nothing.code == 1 && nothing.errors.contains("nothing was checked"))
  }

  @Test func intermediateResultsMayGo() throws {
    let program = try finished()
    let listed = try call(program, "clean", "p.yaml", "--intermediate")
    for name in ["frames.h5", "emulator.h5", "fresh.h5"] { #expect(listed.output.contains(name), "\(listed.output)") }
    #expect(!listed.output.contains("traced.h5") && listed.output.contains("3 files, "))
    #expect(try call(program, "clean", "p.yaml", "--intermediate", "--yes").output.contains("bytes deleted"))
    let status = try call(program, "status", "p.yaml")
    #expect(status.output.components(separatedBy: "removed on purpose on ").count == 4, "\(status.output)")
    let run = try call(program, "run", "p.yaml", "--threads", "1")
    #expect(run.code == 0 && run.output.components(separatedBy: "skipped").count == 6, "\(run.output)\(run.errors)")
    let export = try call(program, "export", "p.yaml", "fresh", "--output", "fresh.nc")
    #expect(export.code == 2 && export.errors.contains("has no artifact"), "\(export.errors)")
    // the page is not worth making them again, unless somebody says so
    try FileManager.default.removeItem(at: program.folder.appendingPathComponent("runs/archived/report.html"))
    let report = try call(program, "report", "p.yaml")
    #expect(report.code == 0 && report.errors.contains("which was removed on purpose"), "\(report.errors)")
    let digest = try Artifact.open(program.folder.appendingPathComponent("runs/archived/report.h5"), verify: true)
      .provenance.contentDigest
    let forced = try call(program, "run", "p.yaml", "--threads", "1", "--force")
    #expect(forced.code == 0, "\(forced.errors)")
    #expect(
      try Artifact.open(program.folder.appendingPathComponent("runs/archived/report.h5"), verify: true).provenance
        .contentDigest
        == digest)
  }

  @Test func exportWritesOverNothingThatMustStay() throws {
    let program = try finished()
    let folder = program.folder
    let raw = try Data(contentsOf: folder.appendingPathComponent("free.nc"))
    mkfifo(folder.appendingPathComponent("pipe").path, 0o600)
    try Data("precious".utf8).write(to: folder.appendingPathComponent("real.nc"))
    symlink("real.nc", folder.appendingPathComponent("link.nc").path)
    symlink("free.nc", folder.appendingPathComponent("alias.nc").path)
    link(folder.appendingPathComponent("meoh.pdb").path, folder.appendingPathComponent("hard.pdb").path)
    func export(_ name: String) throws -> Program.Result {
      try call(program, "export", "p.yaml", "fresh", "--output", name)
    }
    let pipe = try export("pipe")
    #expect(pipe.code == 1 && pipe.errors.contains("a named pipe, not a regular file"), "\(pipe.errors)")
    var status = stat()
    #expect(lstat(folder.appendingPathComponent("pipe").path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    #expect(try export("/dev/full").errors.contains("a device, not a regular file"))
    for (name, said) in [
      ("free.nc", "is an input of stage 'frames'"), ("alias.nc", "is an input of stage 'frames'"),
      ("./runs/../free.nc", "is an input of stage 'frames'"), ("hard.pdb", "is an input of stage "),
      ("p.yaml", "is the pipeline file"),
      ("runs/archived/traced.h5", "is a result of stage 'traced'"),
      ("runs/archived/report.html", "is a result of stage 'report'"),
      ("runs/archived/.lock", "is one of the run's own files"),
    ] {
      let refused = try export(name)
      #expect(refused.code != 0 && refused.errors.contains(said), "\(name): \(refused.errors)")
    }
    #expect(try Data(contentsOf: folder.appendingPathComponent("free.nc")) == raw)
    #expect(try call(program, "verify", "p.yaml").code == 0)
    #expect(try export("link.nc").code == 0)
    #expect(lstat(folder.appendingPathComponent("link.nc").path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(try Data(contentsOf: folder.appendingPathComponent("real.nc")).starts(with: Data("CDF".utf8)))
    #expect(try export("real.nc").code == 0, "any other file may be replaced")
  }

  /// Other builds of the libraries stand first in the environment: those that the program was built with compute all the same.
  @Test func theProgramsOwnLibrariesComeFirst() throws {
    let program = try Program()
    let other = program.folder.appendingPathComponent("other")
    try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
    let deps = Package.root.appendingPathComponent(".deps")
    for (file, name) in [
      (deps.appendingPathComponent("torch/lib/libc10.so"), "libc10.so"),
      (deps.appendingPathComponent("torch/lib/libgomp.so.1"), "libgomp.so.1"),
      (deps.appendingPathComponent("OpenMM.libs/lib/libOpenMM.so"), "libOpenMM.so"),
      (URL(fileURLWithPath: "/usr/lib/x86_64-linux-gnu/libxtb.so.6"), "libxtb.so.6"),
    ] { try FileManager.default.copyItem(at: file.resolvingSymlinksInPath(), to: other.appendingPathComponent(name)) }
    func doctor(_ variable: String, _ value: String) throws -> Program.Result {
      try program.finish(program.start(["doctor"], environment: Self.environment.merging([variable: value]) { $1 }))
    }
    let own = try doctor("LD_LIBRARY_PATH", other.path)
    #expect(own.code == 0 && !own.output.contains(other.path), "\(own.output)")
    for (name, folder) in [
      ("LibTorch", "torch/lib/libtorch_cpu.so"), ("OpenMM", "OpenMM.libs/lib/libOpenMM.so"),
    ] {
      let line = own.output.split(separator: "\n").first { $0.hasPrefix("\(name) is ") }
      let place = deps.appendingPathComponent(folder).resolvingSymlinksInPath().path
      #expect(line?.contains(place + " ") == true, "\(own.output)")
    }
    for name in ["HDF5", "NetCDF", "xtb"] { #expect(own.output.contains("\n\(name) is "), "\(own.output)") }
    // what nothing keeps out is at least told
    let forced = try doctor("LD_PRELOAD", other.appendingPathComponent("libOpenMM.so").path)
    #expect(
      forced.code == 1 && forced.output.contains("warning: OpenMM is loaded from \(other.path)/libOpenMM.so"),
      "\(forced.output)")
    #expect(forced.output.contains("which is not the one that this program was built with"))
    // and every result says which it was
    try program.take("cases/archived")
    #expect(try call(program, "run", "p.yaml", "--threads", "1", "--until", "frames").code == 0)
    let provenance = try Artifact.open(program.folder.appendingPathComponent("runs/archived/frames.h5"), verify: true)
      .provenance
    #expect(provenance.libraries?.keys.sorted() == ["HDF5", "LibTorch", "NetCDF", "OpenMM", "xtb"])
    #expect(provenance.libraries?["OpenMM"]?.contains("libOpenMM.so (build-id ") == true)
    #expect(provenance.pipelineFile == "../../p.yaml")
  }
}
