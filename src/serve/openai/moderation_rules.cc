#include "serve/openai/moderation_rules.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace minim::serve {
namespace {

enum Category : uint8_t {
  kHarassment,
  kHarassmentThreatening,
  kSexual,
  kHate,
  kHateThreatening,
  kIllicit,
  kIllicitViolent,
  kSelfHarmIntent,
  kSelfHarmInstructions,
  kSelfHarm,
  kSexualMinors,
  kViolence,
  kViolenceGraphic,
};

// Sets of words that rules name.
enum Set : uint8_t {
  kKill,
  kHurt,
  kYou,
  kPerson,
  kMyself,
  kIWill,
  kIWant,
  kInsult,
  kAre,
  kGroup,
  kMust,
  kBadEnd,
  kVermin,
  kHowTo,
  kMake,
  kDrug,
  kWeapon,
  kCrime,
  kCrimeTool,
  kSexAct,
  kChild,
  kSuicide,
  kDie,
  kGore,
  kBody,
  kSets,
};

constexpr const char* kWords[kSets] = {
    /* kKill */ "kill murder shoot stab strangle behead execute slaughter lynch",
    /* kHurt */ "hurt beat punch attack torture rape burn maim cripple",
    /* kYou */ "you your u ya",
    /* kPerson */
    "him her them you everyone everybody people family children wife husband neighbor "
    "neighbour boss",
    /* kMyself */ "myself",
    /* kIWill */ "will gonna going ll shall",
    /* kIWant */ "want wanna wish plan planning going gonna decided will",
    /* kInsult */
    "idiot moron imbecile retard loser scum trash worthless pathetic bitch bastard "
    "asshole dumbass whore slut ugly",
    /* kAre */ "are re r is",
    /* kGroup */
    "jews muslims christians hindus blacks whites asians arabs mexicans immigrants "
    "refugees gays lesbians homosexuals transgenders foreigners women men gypsies",
    /* kMust */ "must should deserve need ought",
    /* kBadEnd */ "die killed exterminated gassed shot hanged eliminated lynched burned deported",
    /* kVermin */
    "vermin subhuman subhumans rats cockroaches parasites animals filth inferior "
    "disease",
    /* kHowTo */ "how steps instructions recipe guide ways",
    /* kMake */ "make build cook synthesize synthesise produce create get buy hide construct",
    /* kDrug */ "meth methamphetamine cocaine heroin fentanyl crack lsd mdma ghb",
    /* kWeapon */
    "bomb bombs explosive explosives grenade silencer molotov ricin sarin anthrax "
    "napalm",
    /* kCrime */ "shoplift launder counterfeit forge hack phish carjack blackmail burgle steal",
    /* kCrimeTool */ "malware ransomware keylogger",
    /* kSexAct */
    "porn pornography blowjob handjob cunnilingus fellatio orgasm masturbate "
    "masturbating masturbation cumshot dildo naked nude erotic sex hentai",
    /* kChild */
    "child children kid kids minor minors toddler preteen schoolgirl schoolboy underage",
    /* kSuicide */ "suicide suicidal selfharm",
    /* kDie */ "die disappear",
    /* kGore */
    "dismember dismembered decapitate decapitated disembowel disemboweled mutilate "
    "mutilated gore eviscerated entrails severed",
    /* kBody */ "wrists wrist arms veins throat",
};

struct Rule {
  std::array<Set, 3> sets;  // in this order, each at most so many words behind the one before
  int count;
  int gap;
  std::array<Category, 2> categories;
};

constexpr Rule kRules[] = {
    {{kYou, kAre, kInsult}, 3, 4, {kHarassment, kHarassment}},
    {{kIWill, kKill, kPerson}, 3, 3, {kHarassmentThreatening, kViolence}},
    {{kIWill, kHurt, kPerson}, 3, 3, {kHarassmentThreatening, kViolence}},
    {{kKill, kPerson}, 2, 2, {kViolence, kViolence}},
    {{kSexAct}, 1, 0, {kSexual, kSexual}},
    {{kGroup, kAre, kVermin}, 3, 3, {kHate, kHate}},
    {{kGroup, kMust, kBadEnd}, 3, 4, {kHate, kHateThreatening}},
    {{kKill, kGroup}, 2, 3, {kHate, kHateThreatening}},
    {{kHowTo, kMake, kDrug}, 3, 5, {kIllicit, kIllicit}},
    {{kHowTo, kMake, kWeapon}, 3, 5, {kIllicit, kIllicitViolent}},
    {{kHowTo, kMake, kCrimeTool}, 3, 5, {kIllicit, kIllicit}},
    {{kHowTo, kCrime}, 2, 4, {kIllicit, kIllicit}},
    {{kIWant, kKill, kMyself}, 3, 4, {kSelfHarm, kSelfHarmIntent}},
    {{kIWant, kHurt, kMyself}, 3, 4, {kSelfHarm, kSelfHarmIntent}},
    {{kIWant, kDie}, 2, 2, {kSelfHarm, kSelfHarmIntent}},
    {{kIWant, kSuicide}, 2, 4, {kSelfHarm, kSelfHarmIntent}},
    {{kSuicide}, 1, 0, {kSelfHarm, kSelfHarm}},
    {{kHowTo, kKill, kMyself}, 3, 5, {kSelfHarm, kSelfHarmInstructions}},
    {{kHowTo, kHurt, kMyself}, 3, 5, {kSelfHarm, kSelfHarmInstructions}},
    {{kHowTo, kSuicide}, 2, 6, {kSelfHarm, kSelfHarmInstructions}},
    {{kSexAct, kChild}, 2, 6, {kSexual, kSexualMinors}},
    {{kChild, kSexAct}, 2, 6, {kSexual, kSexualMinors}},
    {{kGore}, 1, 0, {kViolence, kViolenceGraphic}},
};

using SetMask = uint32_t;
static_assert(kSets <= 32);

const std::unordered_map<std::string_view, SetMask>& sets_by_word() {
  static const auto kAll = [] {
    std::unordered_map<std::string_view, SetMask> all;
    for (size_t set = 0; set < kSets; ++set) {
      std::string_view words = kWords[set];
      while (!words.empty()) {
        const size_t end = std::min(words.find(' '), words.size());
        if (end > 0) all[words.substr(0, end)] |= SetMask{1} << set;
        words.remove_prefix(std::min(end + 1, words.size()));
      }
    }
    return all;
  }();
  return kAll;
}

// The sets of each word: runs of ASCII letters in lower case, whatever stands between.
std::vector<SetMask> masks_of(std::string_view text) {
  constexpr size_t kWordMax = 32;  // longer ones are in no set
  const auto& sets = sets_by_word();
  std::vector<SetMask> masks;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (small >= 'a' && small <= 'z') {
      if (word.size() <= kWordMax) word += small;
    } else if (!word.empty()) {
      const auto found = sets.find(word);
      masks.push_back(found == sets.end() ? 0 : found->second);
      word.clear();
    }
  }
  return masks;
}

bool applies(const Rule& rule, const std::vector<SetMask>& masks, size_t begin) {
  size_t at = begin;
  for (int i = 0; i < rule.count; ++i) {
    const SetMask wanted = SetMask{1} << rule.sets[static_cast<size_t>(i)];
    const size_t end = i == 0 ? begin + 1 : at + static_cast<size_t>(rule.gap) + 2;
    size_t found = i == 0 ? begin : at + 1;
    while (found < std::min(end, masks.size()) && (masks[found] & wanted) == 0) ++found;
    if (found >= std::min(end, masks.size())) return false;
    at = found;
  }
  return true;
}

}  // namespace

ModerationFlags moderate(std::string_view text) {
  const std::vector<SetMask> masks = masks_of(text);
  ModerationFlags flags;
  for (size_t begin = 0; begin < masks.size(); ++begin) {
    if (masks[begin] == 0) continue;
    for (const Rule& rule : kRules) {
      if ((masks[begin] >> rule.sets[0] & 1) == 0 || !applies(rule, masks, begin)) continue;
      for (const Category category : rule.categories) flags.set(category);
    }
  }
  return flags;
}

}  // namespace minim::serve
