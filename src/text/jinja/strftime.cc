#include "text/jinja/strftime.h"

#include <fmt/core.h>

#include <algorithm>

namespace minim::jinja {
namespace {

constexpr const char* kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                 "Thursday", "Friday", "Saturday"};
constexpr const char* kMonths[] = {"January",   "February", "March",    "April",
                                   "May",       "June",     "July",     "August",
                                   "September", "October",  "November", "December"};

struct Moment {
  int64_t year;
  int month, day;  // from 1
  int hour, minute, second;
  int weekday;      // Sunday is 0
  int day_of_year;  // from 0
};

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Days since 1970 to a date, after Howard Hinnant's "chrono-compatible low-level date algorithms".
Moment moment_of(int64_t time) {
  const int64_t days = floor_divide(time, 86400);
  const int64_t second_of_day = time - days * 86400;
  const int64_t shifted = days + 719468;
  const int64_t era = floor_divide(shifted, 146097);
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_from_march =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_from_march + 2) / 153;
  Moment moment{};
  moment.day = static_cast<int>(day_from_march - (153 * month_from_march + 2) / 5 + 1);
  moment.month =
      static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  moment.year = year_of_era + era * 400 + (moment.month <= 2);
  moment.hour = static_cast<int>(second_of_day / 3600);
  moment.minute = static_cast<int>(second_of_day / 60 % 60);
  moment.second = static_cast<int>(second_of_day % 60);
  moment.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  moment.day_of_year =
      kBefore[moment.month - 1] + moment.day - 1 + (moment.month > 2 && is_leap(moment.year));
  return moment;
}

struct IsoWeek {
  int64_t year;
  int week;
};

IsoWeek iso_week(const Moment& moment) {
  const int weekday = (moment.weekday + 6) % 7;  // Monday is 0
  const int week = (moment.day_of_year - weekday + 10) / 7;
  const auto weeks_in = [](int64_t year) {
    const auto last_weekday = [](int64_t y) {
      return (y + floor_divide(y, 4) - floor_divide(y, 100) + floor_divide(y, 400)) % 7;
    };
    return last_weekday(year) == 4 || last_weekday(year - 1) == 3 ? 53 : 52;
  };
  if (week < 1) return {moment.year - 1, weeks_in(moment.year - 1)};
  if (week > weeks_in(moment.year)) return {moment.year + 1, 1};
  return {moment.year, week};
}

// One directive; empty where it is not known.
std::string format_directive(char directive, const Moment& moment, int64_t time) {
  const int hour12 = (moment.hour + 11) % 12 + 1;
  const auto again = [&](std::string_view directives) {
    std::string out;
    for (const char character : directives) {
      const bool is_letter = character >= 'A' && character <= 'z';
      out += is_letter ? format_directive(character, moment, time) : std::string(1, character);
    }
    return out;
  };
  switch (directive) {
    case 'a': return std::string(kDays[moment.weekday]).substr(0, 3);
    case 'A': return kDays[moment.weekday];
    case 'b':
    case 'h': return std::string(kMonths[moment.month - 1]).substr(0, 3);
    case 'B': return kMonths[moment.month - 1];
    case 'c': return again("a b e H:M:S Y");
    case 'C': return fmt::format("{:02}", moment.year / 100);
    case 'd': return fmt::format("{:02}", moment.day);
    case 'D':
    case 'x': return again("m/d/y");
    case 'e': return fmt::format("{:2}", moment.day);
    case 'f': return "000000";
    case 'F': return again("Y-m-d");
    case 'g': return fmt::format("{:02}", iso_week(moment).year % 100);
    case 'G': return fmt::format("{}", iso_week(moment).year);
    case 'H': return fmt::format("{:02}", moment.hour);
    case 'I': return fmt::format("{:02}", hour12);
    case 'j': return fmt::format("{:03}", moment.day_of_year + 1);
    case 'k': return fmt::format("{:2}", moment.hour);
    case 'l': return fmt::format("{:2}", hour12);
    case 'm': return fmt::format("{:02}", moment.month);
    case 'M': return fmt::format("{:02}", moment.minute);
    case 'n': return "\n";
    case 'p': return moment.hour < 12 ? "AM" : "PM";
    case 'P': return moment.hour < 12 ? "am" : "pm";
    case 'r': return again("I:M:S p");
    case 'R': return again("H:M");
    case 's': return fmt::format("{}", time);
    case 'S': return fmt::format("{:02}", moment.second);
    case 't': return "\t";
    case 'T':
    case 'X': return again("H:M:S");
    case 'u': return fmt::format("{}", (moment.weekday + 6) % 7 + 1);
    case 'U': return fmt::format("{:02}", (moment.day_of_year + 7 - moment.weekday) / 7);
    case 'V': return fmt::format("{:02}", iso_week(moment).week);
    case 'w': return fmt::format("{}", moment.weekday);
    case 'W': return fmt::format("{:02}", (moment.day_of_year + 7 - (moment.weekday + 6) % 7) / 7);
    case 'y': return fmt::format("{:02}", moment.year % 100);
    case 'Y': return fmt::format("{}", moment.year);
    case '%': return "%";
    default: return {};
  }
}

// A directive's number without its leading zeros or spaces ("%-d").
std::string without_padding(std::string text) {
  const size_t first = text.find_first_not_of("0 ");
  return first == std::string::npos ? "0" : text.substr(first);
}

}  // namespace

std::string format_time(Sandbox& box, std::string_view format, int64_t time) {
  // Years 1 to 9999, as Python's datetime.
  const Moment moment = moment_of(std::clamp<int64_t>(time, -62135596800, 253402300799));
  TextBuilder out(box);
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out.append(format.substr(i, 1));
      continue;
    }
    const bool bare = format[i + 1] == '-' && i + 2 < format.size();
    const char directive = format[i + (bare ? 2 : 1)];
    if (directive == 'z' || directive == 'Z') {  // a clock without a zone prints nothing
      i += bare ? 2 : 1;
      continue;
    }
    const std::string text = format_directive(directive, moment, time);
    if (text.empty()) {
      box.unsupported(fmt::format("the directive '%{}' of strftime_now()", directive));
    }
    out.append(bare ? without_padding(text) : text);
    i += bare ? 2 : 1;
  }
  return out.take();
}

}  // namespace minim::jinja
