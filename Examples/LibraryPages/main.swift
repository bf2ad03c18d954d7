// The examples of the modules' DocC pages, each in a file of its own: what a page shows is what runs here.
//
//   swift run library-pages datasets/alanine
import Foundation

let dataset = URL(fileURLWithPath: CommandLine.arguments.dropFirst().first ?? "datasets/alanine")
try showMolecules(dataset)
try showTrajectories(dataset)
try showForceFields(dataset)
try showFreeEnergies()
try showGenerative(dataset)
