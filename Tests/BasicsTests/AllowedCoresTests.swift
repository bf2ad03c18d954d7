import Foundation
import Testing

@testable import Basics

@Suite struct AllowedCoresTests {
  @Test func thereAreSomeAndNoMoreThanTheMachineHas() {
    #expect(AllowedCores.count >= 1 && AllowedCores.count <= ProcessInfo.processInfo.processorCount)
  }

  @Test func masksAreCounted() {
    #expect(AllowedCores.cores(inStatus: "Name:\tx\nCpus_allowed:\tff,ffffffff\nCpus_allowed_list:\t0-39\n") == 40)
    #expect(AllowedCores.cores(inStatus: "Cpus_allowed:\t5\n") == 2)
    #expect(AllowedCores.cores(inStatus: "Name:\tx\n") == nil && AllowedCores.cores(inStatus: "Cpus_allowed:\n") == nil)
  }

  @Test func quotasAreRoundedUp() {
    #expect(AllowedCores.cores(inMaximum: "200000 100000\n") == 2)
    #expect(AllowedCores.cores(inMaximum: "150000 100000") == 2 && AllowedCores.cores(inMaximum: "1000 100000") == 1)
    #expect(AllowedCores.cores(inMaximum: "max 100000") == nil && AllowedCores.cores(inMaximum: "") == nil)
  }
}
