#include "ExpressionMatch.h"

#include <lepton/CustomFunction.h>
#include <lepton/Operation.h>
#include <lepton/ParsedExpression.h>
#include <lepton/Parser.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace boltzmill {

const std::vector<std::string> patternFunctions = {"neckDistance", "neckHeight"};

namespace {

using Lepton::ExpressionTreeNode;
using Lepton::Operation;

/// A pattern and an expression side by side, with what has been bound on the way.
struct Comparison {
  std::map<std::string, std::string> names;
  std::map<std::string, double> constants;
  const std::map<std::string, double> &globals;
  const std::vector<std::string> &perParticle;
  std::map<std::string, std::string> functionNames;

  /// The value of a tree whose variables all have one.
  static std::optional<double> value(const ExpressionTreeNode &node, const std::map<std::string, double> &known) {
    const Operation &operation = node.getOperation();
    if (operation.getId() == Operation::CUSTOM) return std::nullopt;
    if (operation.getId() == Operation::VARIABLE && !known.count(operation.getName())) return std::nullopt;
    std::vector<double> arguments;
    for (const ExpressionTreeNode &child : node.getChildren()) {
      const auto argument = value(child, known);
      if (!argument) return std::nullopt;
      arguments.push_back(*argument);
    }
    return operation.evaluate(arguments.data(), known);
  }

  bool bindConstant(const std::string &name, double value) {
    const auto [entry, isNew] = constants.emplace(name, value);
    // one constant may come rounded differently in two places
    return std::isfinite(value) && std::abs(entry->second - value) <= 1e-14 * std::abs(value);
  }

  bool bindName(std::string pattern, std::string found) {
    if (names.count(pattern)) return names[pattern] == found;
    const char side = pattern.back();
    if (side == '1' || side == '2') {
      if (found.back() != side) return false;
      pattern.pop_back();
      found.pop_back();
      if (names.count(pattern)) return names[pattern] == found;
    }
    if (std::find(perParticle.begin(), perParticle.end(), found) == perParticle.end()) return false;
    for (const auto &[_, taken] : names)
      if (taken == found) return false;
    names[pattern] = found;
    return true;
  }

  bool bindFunction(const std::string &pattern, const std::string &found) {
    for (const auto &[known, taken] : functionNames)
      if ((known == pattern) != (taken == found)) return false;
    functionNames[pattern] = found;
    return true;
  }

  bool equal(const ExpressionTreeNode &pattern, const ExpressionTreeNode &found) {
    const Operation &wanted = pattern.getOperation(), &given = found.getOperation();
    const auto number = value(found, globals);
    if (wanted.getId() == Operation::VARIABLE) {
      if (wanted.getName().rfind("K_", 0) == 0) return number && bindConstant(wanted.getName(), *number);
      return given.getId() == Operation::VARIABLE && !number && bindName(wanted.getName(), given.getName());
    }
    if (const auto expected = value(pattern, {})) return number && *number == *expected;
    if (wanted.getId() != given.getId()) return false;
    if (wanted.getId() == Operation::CUSTOM ? !bindFunction(wanted.getName(), given.getName()) : wanted != given) return false;
    const auto &ours = pattern.getChildren(), &theirs = found.getChildren();
    if (ours.size() != theirs.size()) return false;
    for (size_t i = 0; i < ours.size(); i++)
      if (!equal(ours[i], theirs[i])) return false;
    return true;
  }
};

}  // namespace

bool ExpressionMatch::matches(const std::string &expression, const std::string &pattern) {
  Comparison comparison{names, constants, globals, perParticle, functionNames};
  static Lepton::PlaceholderFunction placeholder(2);
  auto parsed = [](const std::string &text, const std::vector<std::string> &functions) {
    std::map<std::string, Lepton::CustomFunction *> known;
    for (const std::string &name : functions) known[name] = &placeholder;
    return Lepton::Parser::parse(text, known);
  };
  try {
    const auto wanted = parsed(pattern, patternFunctions), given = parsed(expression, functions);
    if (!comparison.equal(wanted.getRootNode(), given.getRootNode())) return false;
  } catch (const std::exception &) {
    return false;  // functions of a table, or nothing that OpenMM would take
  }
  names = std::move(comparison.names);
  constants = std::move(comparison.constants);
  functionNames = std::move(comparison.functionNames);
  return true;
}

int ExpressionMatch::function(const std::string &name) const {
  const auto entry = functionNames.find(name);
  if (entry == functionNames.end()) return -1;
  const auto place = std::find(functions.begin(), functions.end(), entry->second);
  return place == functions.end() ? -1 : int(place - functions.begin());
}

int ExpressionMatch::parameter(const std::string &name) const {
  const auto entry = names.find(name);
  if (entry == names.end()) return -1;
  const auto place = std::find(perParticle.begin(), perParticle.end(), entry->second);
  return place == perParticle.end() ? -1 : int(place - perParticle.begin());
}

}  // namespace boltzmill
