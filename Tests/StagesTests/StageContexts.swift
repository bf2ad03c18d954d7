import TestSupport

typealias SystemFiles = MoleculeFiles
typealias AlanineStages = TestSupport.AlanineStages
