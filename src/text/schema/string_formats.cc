#include "text/schema/string_formats.h"

#include <utility>

namespace minim {
namespace {

// RFC 3339, with a leap day in leap years alone.
#define MINIM_DATE                                                                                 \
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]"      \
  "[0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468]" \
  "[048]|[13579][26])00)-02-29)"
// A leap second is the last one of a day in UTC, which only offsets of zero show here.
#define MINIM_ZONE "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define MINIM_TIME                                                         \
  "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?" MINIM_ZONE \
  "|23:59:60(?:\\.[0-9]+)?"                                                \
  "(?:[Zz]|[+-]00:00))"
// RFC 1123.
#define MINIM_LABEL "[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
#define MINIM_HOST MINIM_LABEL "(?:\\." MINIM_LABEL ")*"
#define MINIM_IPV4_PART "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define MINIM_IPV4 MINIM_IPV4_PART "(?:\\." MINIM_IPV4_PART "){3}"
// RFC 4291, section 2.2.
#define MINIM_H16 "[0-9A-Fa-f]{1,4}"
#define MINIM_LS32 "(?:" MINIM_H16 ":" MINIM_H16 "|" MINIM_IPV4 ")"
#define MINIM_IPV6                                                                                \
  "(?:(?:" MINIM_H16 ":){6}" MINIM_LS32 "|::(?:" MINIM_H16 ":){5}" MINIM_LS32 "|(?:" MINIM_H16    \
  ")?::(?:" MINIM_H16 ":){4}" MINIM_LS32 "|(?:(?:" MINIM_H16 ":){0,1}" MINIM_H16                  \
  ")?::(?:" MINIM_H16 ":){3}" MINIM_LS32 "|(?:(?:" MINIM_H16 ":){0,2}" MINIM_H16                  \
  ")?::(?:" MINIM_H16 ":){2}" MINIM_LS32 "|(?:(?:" MINIM_H16 ":){0,3}" MINIM_H16 ")?::" MINIM_H16 \
  ":" MINIM_LS32 "|(?:(?:" MINIM_H16 ":){0,4}" MINIM_H16 ")?::" MINIM_LS32 "|(?:(?:" MINIM_H16    \
  ":){0,5}" MINIM_H16 ")?::" MINIM_H16 "|(?:(?:" MINIM_H16 ":){0,6}" MINIM_H16 ")?::)"
// RFC 3986.
#define MINIM_PERCENT "%[0-9A-Fa-f]{2}"
#define MINIM_PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" MINIM_PERCENT ")"
#define MINIM_AUTHORITY                                                                     \
  "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" MINIM_PERCENT ")*@)?(?:\\[" MINIM_IPV6               \
  "\\]|\\[[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+\\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]" \
  "|" MINIM_PERCENT ")*)(?::[0-9]*)?"
#define MINIM_URI_END "(?:\\?(?:" MINIM_PCHAR "|[/?])*)?(?:#(?:" MINIM_PCHAR "|[/?])*)?"
#define MINIM_SEGMENTS "(?:/" MINIM_PCHAR "*)*"
#define MINIM_URI                                                                    \
  "[A-Za-z][A-Za-z0-9+.-]*:(?://" MINIM_AUTHORITY MINIM_SEGMENTS "|/(?:" MINIM_PCHAR \
  "+" MINIM_SEGMENTS ")?|" MINIM_PCHAR "+" MINIM_SEGMENTS "|)" MINIM_URI_END
#define MINIM_SEGMENT_WITHOUT_COLON "(?:[A-Za-z0-9._~!$&'()*+,;=@-]|" MINIM_PERCENT ")+"
#define MINIM_RELATIVE                                                          \
  "(?://" MINIM_AUTHORITY MINIM_SEGMENTS "|/(?:" MINIM_PCHAR "+" MINIM_SEGMENTS \
  ")?|" MINIM_SEGMENT_WITHOUT_COLON MINIM_SEGMENTS "|)" MINIM_URI_END
// RFC 5321, without comments; quoted local parts as well.
#define MINIM_EMAIL                                                                               \
  "(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*|\"(?:[ !#-\\[\\]-~]" \
  "|\\\\[ -~])*\")@(?:" MINIM_HOST "|\\[" MINIM_IPV4 "\\]|\\[IPv6:" MINIM_IPV6 "\\])"
// RFC 3339, appendix A.
#define MINIM_DURATION_TIME "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
#define MINIM_DURATION                                                                         \
  "P(?:(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)(?:" MINIM_DURATION_TIME \
  ")?|" MINIM_DURATION_TIME "|[0-9]+W)"

constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
    {"date", MINIM_DATE},
    {"time", MINIM_TIME},
    {"date-time", MINIM_DATE "[Tt]" MINIM_TIME},
    {"duration", MINIM_DURATION},
    {"email", MINIM_EMAIL},
    {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
    {"ipv4", MINIM_IPV4},
    {"ipv6", MINIM_IPV6},
    {"hostname", MINIM_HOST},
    {"uri", MINIM_URI},
    {"uri-reference", "(?:" MINIM_URI "|" MINIM_RELATIVE ")"},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
    {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)"},
};

}  // namespace

std::optional<std::string_view> format_pattern(std::string_view format) {
  for (const auto& [name, pattern] : kFormats) {
    if (name == format) return pattern;
  }
  return std::nullopt;
}

std::string_view format_names() {
  return "date, time, date-time, duration, email, uuid, ipv4, ipv6, hostname, uri, uri-reference, "
         "json-pointer, relative-json-pointer";
}

}  // namespace minim
