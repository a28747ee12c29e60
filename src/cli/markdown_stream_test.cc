#include "cli/markdown_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "text/utf8.h"

namespace minim::cli {
namespace {

std::string render(std::string_view text) {
  MarkdownStream stream;
  std::string out = stream.feed(text);
  return out + stream.finish();
}

// Escape sequences as something that can be read: [b], [bi], [] for none.
std::string readable(std::string text) {
  static const std::pair<std::string, std::string> kCodes[] = {
      {";1", "b"}, {";2", "d"}, {";3", "i"}, {";4", "u"}, {";36", "c"}};
  for (size_t at; (at = text.find("\x1b[0")) != std::string::npos;) {
    const size_t end = text.find('m', at);
    std::string codes = text.substr(at + 3, end - at - 3);
    for (const auto& [code, name] : kCodes) {
      // ";3" is the beginning of ";36" too.
      const size_t found = (codes + ";").find(code + ";");
      if (found != std::string::npos) codes.replace(found, code.size(), name);
    }
    text.replace(at, end + 1 - at, "[" + codes + "]");
  }
  return text;
}

std::string shown(std::string_view text) { return readable(render(text)); }

const std::string kLine = [] {
  std::string line;
  for (int i = 0; i < 32; ++i) line += "─";
  return line;
}();

TEST(Markdown, EmphasisAndCode) {
  EXPECT_EQ(shown("a **bold** word"), "a [b]bold[] word");
  EXPECT_EQ(shown("an *italic* word"), "an [i]italic[] word");
  EXPECT_EQ(shown("__more bold__ _italic_"), "[b]more bold[] [i]italic[]");
  EXPECT_EQ(shown("***both***"), "[bi]both[]");
  EXPECT_EQ(shown("say `x = *p` now"), "say [c]x = *p[] now");
  EXPECT_EQ(shown("`` a`b ``"), "[c]a`b[]");
  EXPECT_EQ(shown("**Note:** (*see* below)"), "[b]Note:[] ([i]see[] below)");
  EXPECT_EQ(shown("重**点**是"), "重[b]点[]是");
}

TEST(Markdown, SpansWithinSpans) {
  EXPECT_EQ(shown("**bold *it* `c` on**"), "[b]bold [bi]it[b] [bc]c[b] on[]");
  EXPECT_EQ(shown("*it **b** on*"), "[i]it [bi]b[i] on[]");
  EXPECT_EQ(shown("**bold *it***"), "[b]bold [bi]it[]");
  EXPECT_EQ(shown("**a `**` b**"), "[b]a [bc]**[b] b[]");
}

TEST(Markdown, WhatIsNoMarkStaysText) {
  for (const char* text : {"2*3*4",
                           "2 * 3 * 4",
                           "f(x)*g(y)*h(z)",
                           "a ** b",
                           "2**3**4",
                           "snake_case_name",
                           "__init__.py is",
                           "call __init__",
                           "**never closed",
                           "a *b",
                           "`open",
                           "*",
                           "**",
                           "****a****",
                           "\\(x_i * y_i\\)",
                           "$\\mathbf{x}_{i} + \\mathbf{y}_{i}$",
                           "int *p, *q;",
                           "f(*args, **kw)",
                           "C:\\new",
                           "*.txt and *.md",
                           "[a_b](http://x/y_z_)",
                           "#hashtag",
                           "#",
                           "####### seven",
                           "-5 degrees",
                           "1. first",
                           "a | b",
                           "~~gone~~",
                           "5 > 4",
                           "--",
                           "-"}) {
    EXPECT_EQ(render(text), text);
  }
  EXPECT_EQ(shown("\\*not\\* \\`this\\`"), "*not* `this`");
}

TEST(Markdown, EmphasisEndsWithItsLine) {
  EXPECT_EQ(shown("a *b\nc* d"), "a *b\nc* d");
  EXPECT_EQ(shown("**a\n**b**"), "**a\n[b]b[]");
}

TEST(Markdown, Headings) {
  EXPECT_EQ(shown("# One\ntext"), "[bu]One[]\ntext");
  EXPECT_EQ(shown("### Three *it*\n"), "[b]Three [bi]it[]\n");
  EXPECT_EQ(shown("  ## Two"), "[bu]Two[]");
}

TEST(Markdown, ListsQuotesRules) {
  EXPECT_EQ(shown("- one\n  * **two**\n+ three"), "• one\n  • [b]two[]\n• three");
  EXPECT_EQ(shown("> said\n>> twice\n>\nend"), "[d]│ []said\n[d]│ │ []twice\n[d]│ []\nend");
  EXPECT_EQ(shown("> - *a*"), "[d]│ []• [i]a[]");
  for (const char* text : {"---", "***", "* * *", "_____", " - - -  "}) {
    EXPECT_EQ(shown(text), "[d]" + kLine + "[]") << text;
  }
  EXPECT_EQ(shown("**bold** first"), "[b]bold[] first");
}

TEST(Markdown, TablesStayAsTheyAre) {
  const std::string table = "| a | **b** |\n|---|-----|\n| 1 | `2` |\n";
  EXPECT_EQ(render(table), table);
}

TEST(Markdown, FencedCode) {
  const std::string top = "[d]── python " + kLine.substr(0, (32 - 10) * 3) + "[]\n";
  EXPECT_EQ(shown("```python\nx = a * b * c\n\n# **no**\n```\n*it*"),
            top + "x = a * b * c\n\n# **no**\n[d]" + kLine + "[]\n[i]it[]");
  EXPECT_EQ(shown("~~~\n```\n~~~~\nend"), "[d]" + kLine + "[]\n```\n[d]" + kLine + "[]\nend");
  EXPECT_EQ(shown("  ```\n    a\n  ```"), "[d]" + kLine + "[]\n    a\n[d]" + kLine + "[]");
  EXPECT_EQ(shown("```one line```"), "[c]one line[]");
}

TEST(Markdown, OpenCodeIsClosedAtTheEnd) {
  EXPECT_EQ(shown("```\ncode"), "[d]" + kLine + "[]\ncode\n[d]" + kLine + "[]");
  EXPECT_EQ(shown("```\ncode\n"), "[d]" + kLine + "[]\ncode\n[d]" + kLine + "[]");
}

TEST(Markdown, TextIsShownAtOnceAndSpansOnceTheyEnd) {
  MarkdownStream stream;
  EXPECT_EQ(stream.feed("Some wo"), "Some wo");
  EXPECT_EQ(stream.feed("rds **bo"), "rds ");
  EXPECT_EQ(stream.feed("ld**"), "");
  EXPECT_EQ(readable(stream.feed(" x")), "[b]bold[] x");
  EXPECT_EQ(stream.feed("\n-"), "\n");
  EXPECT_EQ(stream.feed(" y"), "• y");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Markdown, AMarkWithoutAPartnerHoldsUpLittle) {
  MarkdownStream stream;
  EXPECT_EQ(stream.feed("*" + std::string(MarkdownStream::kSpanBytesMax - 2, 'a')), "");
  EXPECT_EQ(stream.feed("a"), "*" + std::string(MarkdownStream::kSpanBytesMax - 1, 'a'));
  EXPECT_EQ(stream.feed(" b* "), " b* ");
}

TEST(Markdown, PauseEndsColoursAndFeedTakesThemUp) {
  MarkdownStream stream;
  EXPECT_EQ(readable(stream.feed("# Ti")), "[bu]Ti");
  EXPECT_EQ(readable(stream.pause()), "[]");
  EXPECT_EQ(stream.pause(), "");
  EXPECT_EQ(readable(stream.feed("tle\n")), "[bu]tle[]\n");
}

TEST(Markdown, ControlCharactersNeverReachTheTerminal) {
  EXPECT_EQ(render("a\x1b[2Jb\x07\x7f\r\n"), "a␛[2Jb␇␡\n");
  EXPECT_EQ(render("\xc2\x9b"
                   "31m \xff \xe2\x80\xae"),
            "�31m � �");
  EXPECT_EQ(render("```\x1b]0;t\x07\n\x1b[1m\n```").find("\x1b]"), std::string::npos);
  EXPECT_EQ(render("`\x1b[31m`").find("\x1b[31m"), std::string::npos);
}

const std::vector<std::string>& samples() {
  static const std::vector<std::string> kSamples = {
      "# Title\n\nA **bold *it* word**, `code` and \\*none\\*.\n\n- one\n  - two\n1. three\n",
      "> quote **b**\n>> deep\n\n---\n| a | *b* |\n|---|\n\n```cc\nint *p = &x;\n``\n```\nend *x",
      "***both*** ****four**** __x__ _y_ ***a** b* **c *d*** `` q`r `` ` s\n* * *\n*\n-\n#\n##",
      "  ```\n\n   ~~~\n ```  \n~~~ a`b\nx\n~~~~\n```a`b```\n>```\n> \n>",
      "重**点**是*这*个 “*q*” — *r*\xff\xe2\x82 \xc2\x9b\r\n\x1b[0m\\",
      "a\\`b` `c\\`d` **e`f** g`h** *i\\*j* _k_l_ m_n_\t*o*\n \t \n\t- p"};
  return kSamples;
}

TEST(Markdown, EverySplitRendersTheSame) {
  for (const std::string& text : samples()) {
    const std::string whole = render(text);
    MarkdownStream by_byte;
    std::string out;
    for (const char c : text) out += by_byte.feed(std::string_view(&c, 1));
    EXPECT_EQ(out + by_byte.finish(), whole);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      MarkdownStream stream;
      out = stream.feed(text.substr(0, cut));
      out += stream.feed(text.substr(cut));
      EXPECT_EQ(out + stream.finish(), whole) << "cut at " << cut;
    }
  }
}

// Texts of marks alone, around the limits of a span too: what they mean matters less than that they
// mean one thing, lose no letter, and colour nothing after their end.
TEST(Markdown, RandomMarksRenderTheSameInAnySplit) {
  static const std::vector<std::string> kParts = {
      "*",    "**",
      "_",    "`",
      "``",   "```",
      "~~~",  "\\",
      " ",    "\n",
      "a",    "b",
      "#",    ">",
      "-",    "|",
      "é",    "点",
      ".",    "\x1b",
      "    ", std::string(MarkdownStream::kSpanBytesMax / 2 - 3, 'x')};
  std::mt19937 random(7);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t parts = 1 + below(24); parts > 0; --parts) text += kParts[below(kParts.size())];
    const std::string whole = render(text);
    MarkdownStream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + below(at % 2 == 0 ? 3 : 40);
      out += stream.feed(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(out + stream.finish(), whole) << text;
    for (const char letter : {'a', 'b', 'x'}) {
      ASSERT_EQ(std::count(whole.begin(), whole.end(), letter),
                std::count(text.begin(), text.end(), letter))
          << text;
    }
    const size_t last = whole.rfind('\x1b');
    ASSERT_TRUE(last == std::string::npos || whole.compare(last, 4, "\x1b[0m") == 0) << text;
    ASSERT_TRUE(is_valid_utf8(whole));
  }
}

}  // namespace
}  // namespace minim::cli
