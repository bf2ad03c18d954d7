/// One particle in a harmonic well, U = k/2 |x|^2, by a CustomExternalForce.
public func harmonicWell(mass: Double = 12, forceConstant: Double = 500) -> String {
  """
  <?xml version="1.0" ?>
  <System openmmVersion="8.6.1" type="System" version="1">
    <PeriodicBoxVectors><A x="2" y="0" z="0"/><B x="0" y="2" z="0"/><C x="0" y="0" z="2"/></PeriodicBoxVectors>
    <Particles><Particle mass="\(mass)"/></Particles>
    <Constraints/>
    <Forces>
      <Force energy="0.5*k*(x^2+y^2+z^2)" forceGroup="0" name="CustomExternalForce" type="CustomExternalForce" version="1">
        <PerParticleParameters/>
        <GlobalParameters><Parameter default="\(forceConstant)" name="k"/></GlobalParameters>
        <Particles><Particle index="0"/></Particles>
      </Force>
    </Forces>
  </System>
  """
}
