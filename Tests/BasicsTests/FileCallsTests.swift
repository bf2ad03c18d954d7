import Foundation
import TestSupport
import Testing

@testable import Basics

@Suite struct FileCallsTests {
  @Test func whatStandsAtAPath() throws {
    let scratch = try Scratch()
    try scratch.write("x", to: "file")
    symlink("circle", scratch.file("circle").path)
    #expect(FileCalls.presence(scratch.file("file").path) == .there(isFolder: false))
    #expect(FileCalls.presence(scratch.url.path) == .there(isFolder: true))
    #expect(FileCalls.presence(scratch.file("none").path) == .absent)
    #expect(FileCalls.presence(scratch.file("file/none").path) == .absent)
    #expect(FileCalls.presence(scratch.file("circle").path) == .unknown(ELOOP))
  }

  @Test func whereAFileThatTheUserNamesIsWritten() throws {
    let scratch = try Scratch()
    try scratch.write("x", to: "real")
    _ = try scratch.folder("sub")
    mkfifo(scratch.file("pipe").path, 0o600)
    for (link, target) in [
      ("link", "real"), ("twice", "link"), ("sub/up", "../real"), ("dangling", "not-yet"), ("circle", "circle"),
      ("piped", "pipe"),
      ("null", "/dev/null"),
    ] { symlink(target, scratch.file(link).path) }
    func place(_ name: String) -> FileCalls.OutputPlace { FileCalls.outputPlace(scratch.file(name).path) }
    func file(_ name: String) -> FileCalls.OutputPlace { .file(scratch.file(name).path) }
    #expect(place("real") == file("real"))
    #expect(place("new") == file("new"))
    #expect(place("link") == file("real") && place("twice") == file("real"))
    #expect(place("dangling") == file("not-yet"))
    #expect(place("sub/up") == .file(scratch.file("sub").path + "/../real"))
    #expect(place("circle") == .failed(ELOOP))
    #expect(place("sub") == .notRegular("a folder"))
    #expect(place("pipe") == .notRegular("a named pipe") && place("piped") == .notRegular("a named pipe"))
    #expect(place("null") == .notRegular("a device"))
  }

  @Test func everyCallHasItsListAndEveryErrorAWayOut() {
    for call in FileCalls.Call.allCases {
      #expect(FileCalls.refusals[call]?.isEmpty == false)
      // a full or failing disk is never taken for one that cannot
      for code in [ENOSPC, EDQUOT, EIO, ENOENT] { #expect(!FileCalls.isRefusal(call, code), "\(call) \(code)") }
    }
    for code in (1 as Int32)...133 { #expect(FileCalls.advice(code).contains("run again"), "\(code)") }
    #expect(FileCalls.text(524) == "Operation not supported by the file system")
  }

  @Test func loadedLibrariesAreFilesWithABuild() throws {
    let own = try #require(LoadedLibrary.named("libc"))
    #expect(own.path.hasPrefix("/") && own.path.hasSuffix("libc.so.6"))
    #expect(own.build.firstMatch(of: #/^build-id [0-9a-f]{40}$/#) != nil, "\(own.build)")
    #expect(LoadedLibrary.named("libnone") == nil)
    let scratch = try Scratch()
    try scratch.write("no library", to: "a.so")
    #expect(ELFFile(scratch.file("a.so").path) == nil)
    #expect(
      LoadedLibrary.build(of: scratch.file("a.so").path)
        == "10 bytes, \(LoadedLibrary.build(of: scratch.file("a.so").path).split(separator: " ").last ?? "")")
    // where this program was told to look
    #expect(!LoadedLibrary.linkedFolders.isEmpty)
  }
}
