#pragma once
#include <cstddef>

namespace boltzmill {

/// Throws `Failure` unless the text is a well-formed XML document whose root element has type="System".
///
/// OpenMM's own parser reads a document that was cut short as a smaller System, and its deserialiser takes any serialised
/// object for the type that was asked for. Both are found here first.
void checkSystemXML(const char *text, size_t length);

}  // namespace boltzmill
