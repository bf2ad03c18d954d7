/// Physical constants in the project's units: nm, ps, kJ/mol, K. Source: CODATA 2018 (exact by the 2019 SI).
public enum PhysicalConstants {
  /// Molar gas constant, kJ/(mol K).
  public static let gasConstant = 0.008_314_462_618_153_24

  /// kT per mole in kJ/mol at `temperature` in K.
  public static func thermalEnergy(temperature: Double) -> Double { gasConstant * temperature }
}
