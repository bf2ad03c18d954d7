/// `angle` brought into [-pi, pi].
func wrapped(_ angle: Double) -> Double { angle.remainder(dividingBy: 2 * .pi) }

/// `angle` brought into [0, 2 pi).
func positiveTurn(_ angle: Double) -> Double {
  let turn = wrapped(angle)
  return turn < 0 ? turn + 2 * .pi : turn
}
