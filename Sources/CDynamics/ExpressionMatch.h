#pragma once
#include <map>
#include <string>
#include <vector>

namespace boltzmill {

/// Compares a force's algebraic expressions with known ones, whatever they call their parameters and however they are laid out.
///
/// Both are parsed; helper definitions are inlined by the parser, so only the formula itself counts. In a pattern, a name that
/// begins with "K_" stands for any constant, and is bound to its value; "r" and the computed values stand for themselves;
/// any other name is a per-particle parameter, bound to the one that the force has in its place. Names that end in 1 or 2
/// are those of the first or second particle of a pair. A pattern's functions of two arguments, `patternFunctions`, are bound to
/// functions of the force.
///
/// The lock of `constructionLock()` must be held: OpenMM's parser is not known to be safe without.
class ExpressionMatch {
 public:
  /// `computed`: names of the pattern's computed values and of the force's; `globals`: the force's global parameters; `functions`: its
  /// functions of two arguments.
  ExpressionMatch(std::map<std::string, std::string> computed, std::map<std::string, double> globals,
                  std::vector<std::string> perParticle, std::vector<std::string> functions = {})
      : names(std::move(computed)), globals(std::move(globals)), perParticle(std::move(perParticle)),
        functions(std::move(functions)) {}

  /// Whether the expression is the pattern's; if so, constants and parameters are bound. False also for what cannot be parsed.
  bool matches(const std::string &expression, const std::string &pattern);

  /// A constant's value; it must have been bound.
  double constant(const std::string &name) const { return constants.at(name); }
  bool hasConstant(const std::string &name) const { return constants.count(name) > 0; }
  /// The index of the force's per-particle parameter that plays a part of the pattern's, or -1.
  int parameter(const std::string &name) const;
  /// The force's function that plays the part of a pattern's, by its place in the list given, or -1.
  int function(const std::string &name) const;

 private:
  std::map<std::string, std::string> names;
  std::map<std::string, double> globals, constants;
  std::vector<std::string> perParticle, functions;
  std::map<std::string, std::string> functionNames;  // by the pattern's
};

/// The functions of two arguments that a pattern may have.
extern const std::vector<std::string> patternFunctions;

}  // namespace boltzmill
