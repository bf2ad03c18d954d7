import TestSupport
import Testing

@testable import Molecules

@Suite struct PeptideSequenceTests {
  @Test func sequencesAndCaps() throws {
    #expect(try PeptideSequence("AC").residues == ["ALA", "CYS"])
    #expect(try PeptideSequence("ace-V-nme").residues == ["ACE", "VAL", "NME"])
    #expect(try PeptideSequence("ace-GP").residues == ["ACE", "GLY", "PRO"])
    #expect(try PeptideSequence("WHY-nme").residues == ["TRP", "HIS", "TYR", "NME"])
    #expect(try PeptideSequence("ARNDCQEGHILKMFPSTWYV").residues.count == 20)
  }

  @Test func errorsNameLetterAndPosition() {
    #expect(throws: PeptideSequenceError.letter("B", position: 2, sequence: "ABC")) { try PeptideSequence("ABC") }
    #expect(throws: PeptideSequenceError.letter("x", position: 5, sequence: "ace-x-nme")) {
      try PeptideSequence("ace-x-nme")
    }
    #expect(throws: PeptideSequenceError.letter(";", position: 2, sequence: "A;rm -rf /")) {
      try PeptideSequence("A;rm -rf /")
    }
    #expect(throws: PeptideSequenceError.letter("-", position: 2, sequence: "A-ace-C")) {
      try PeptideSequence("A-ace-C")
    }
    for nothing in ["", "ace-", "-nme", "ace--nme"] {
      #expect(throws: PeptideSequenceError.empty(sequence: nothing)) { try PeptideSequence(nothing) }
    }
    expectError(saying: "has 51 amino acids; at most 50 are built") {
      try PeptideSequence(String(repeating: "A", count: 51))
    }
    #expect("\(PeptideSequenceError.letter("c", position: 2, sequence: "Ac"))".contains("did you mean C?"))
    #expect("\(PeptideSequenceError.letter("B", position: 1, sequence: "B"))".contains("ARNDCQEGHILKMFPSTWYV"))
  }
}
