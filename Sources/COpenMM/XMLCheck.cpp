#include "XMLCheck.h"

#include <string>
#include <string_view>
#include <vector>

#include "Guard.h"

namespace boltzmill {

namespace {

/// One pass over the document: tags must nest and close, attributes must be quoted. Text between tags is not looked at.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text(text) {}

  void run() {
    while (at < text.size()) {
      const size_t open = text.find('<', at);
      const std::string_view between = text.substr(at, open == std::string_view::npos ? open : open - at);
      if (stack.empty() && between.find_first_not_of(" \t\r\n\xEF\xBB\xBF") != std::string_view::npos)
        fail(at, "text outside the root element");
      if (open == std::string_view::npos) break;
      at = open;
      if (starts("<?")) skipPast("?>", "a processing instruction");
      else if (starts("<!--")) skipPast("-->", "a comment");
      else if (starts("<![CDATA[")) skipPast("]]>", "a CDATA section");
      else if (starts("<!")) skipPast(">", "a declaration");
      else if (starts("</")) closeTag();
      else openTag();
    }
    if (!stack.empty()) fail(text.size(), "the document ends inside <" + stack.back() + ">");
    if (!rootSeen) fail(text.size(), "there is no element");
  }

 private:
  std::string_view text;
  size_t at = 0;
  std::vector<std::string> stack;
  bool rootSeen = false;

  bool starts(std::string_view prefix) const { return text.substr(at, prefix.size()) == prefix; }

  [[noreturn]] void fail(size_t where, const std::string &what) const {
    size_t line = 1;
    for (size_t i = 0; i < where && i < text.size(); i++) line += text[i] == '\n';
    throw Failure(BM_ERROR_XML, "line " + std::to_string(line) + ": " + what);
  }

  void skipPast(std::string_view end, const char *what) {
    const size_t found = text.find(end, at);
    if (found == std::string_view::npos) fail(at, std::string(what) + " that does not end");
    at = found + end.size();
  }

  void skipSpace() {
    while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) at++;
  }

  std::string name() {
    const size_t first = at;
    while (at < text.size() && std::string_view(" \t\r\n=/<>\"'").find(text[at]) == std::string_view::npos) at++;
    if (at == first) fail(at, "a name is missing");
    return std::string(text.substr(first, at - first));
  }

  void closeTag() {
    const size_t begin = at;
    at += 2;
    const std::string closed = name();
    skipSpace();
    if (at >= text.size() || text[at] != '>') fail(begin, "the tag </" + closed + " does not end");
    at++;
    if (stack.empty() || stack.back() != closed)
      fail(begin, "</" + closed + "> closes " + (stack.empty() ? "nothing" : "<" + stack.back() + ">"));
    stack.pop_back();
  }

  void openTag() {
    const size_t begin = at;
    at++;
    const std::string opened = name();
    const bool isRoot = stack.empty();
    if (isRoot && rootSeen) fail(begin, "a second root element <" + opened + ">");
    std::string type;
    for (;;) {
      skipSpace();
      if (at >= text.size()) fail(begin, "the tag <" + opened + " does not end");
      if (text[at] == '>') {
        at++;
        stack.push_back(opened);
        break;
      }
      if (starts("/>")) {
        at += 2;
        break;
      }
      const std::string attribute = name();
      skipSpace();
      if (at >= text.size() || text[at] != '=') fail(at, "attribute " + attribute + " of <" + opened + "> has no value");
      at++;
      skipSpace();
      if (at >= text.size() || (text[at] != '"' && text[at] != '\''))
        fail(at, "the value of attribute " + attribute + " of <" + opened + "> is not quoted");
      const char quote = text[at++];
      const size_t end = text.find(quote, at);
      if (end == std::string_view::npos) fail(at, "the value of attribute " + attribute + " of <" + opened + "> does not end");
      const std::string_view value = text.substr(at, end - at);
      if (value.find('<') != std::string_view::npos) fail(at, "the value of attribute " + attribute + " contains '<'");
      if (attribute == "type") type = std::string(value);
      at = end + 1;
    }
    if (isRoot) {
      rootSeen = true;
      if (type != "System")
        throw Failure(BM_ERROR_NOT_SYSTEM, type.empty()
                                               ? "the root element is <" + opened + "> and no serialised OpenMM object"
                                               : "it holds a serialised OpenMM " + type);
    }
  }
};

}  // namespace

void checkSystemXML(const char *text, size_t length) { Scanner(std::string_view(text, length)).run(); }

}  // namespace boltzmill
