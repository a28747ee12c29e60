#include "bench/speculate/texts.h"

#include "base/json.h"

namespace minim::bench {
namespace {

constexpr AnsweredPrompt kPrompts[] = {
    {"extraction", "invoice",
     R"(Read the e-mail and answer with JSON: vendor, invoice_number, date, due_date, )"
     R"(currency, total, items (name, quantity, price).

From: accounts@northwind-garden-supplies.example
Subject: Invoice NGS-2024-00817

Dear Ms Halvorsen,
thank you for your order. Please find below the details of invoice NGS-2024-00817 of )"
     R"(14 March 2024, payable by 13 April 2024 to Northwind Garden Supplies Ltd.
12 x Terracotta pot, 30 cm: 8.40 EUR each
3 x Rain barrel, 210 litres: 64.90 EUR each
25 x Peat-free potting soil, 40 litres: 7.25 EUR each
The total of 476.75 EUR includes delivery to Bergen.
Kind regards, Tomasz Wielgosz
)",
     R"({"vendor": "Northwind Garden Supplies Ltd", "invoice_number": "NGS-2024-00817", )"
     R"("date": "14 March 2024", "due_date": "13 April 2024", "currency": "EUR", "total": )"
     R"(476.75, "items": [{"name": "Terracotta pot, 30 cm", "quantity": 12, "price": 8.40}, )"
     R"({"name": "Rain barrel, 210 litres", "quantity": 3, "price": 64.90}, {"name": )"
     R"("Peat-free potting soil, 40 litres", "quantity": 25, "price": 7.25}]})"},
    {"extraction", "people",
     R"(List the people of the text as JSON, an array of objects with full_name, role, )"
     R"(organisation, city.

The panel on coastal erosion was opened by Margarethe Lindqvist-Osei, head of the )"
     R"(harbour authority of Gothenburg. She was followed by Dr. Hiroshi Kuramochi, who )"
     R"(leads the sediment laboratory at the University of Niigata, and by Abena )"
     R"(Ofori-Mensah, a civil engineer with the Volta Basin Commission in Accra. The last )"
     R"(speaker, Federico Castellaneta, edits the journal Littoral in Bari.
)",
     R"([{"full_name": "Margarethe Lindqvist-Osei", "role": "head", "organisation": "harbour )"
     R"(authority of Gothenburg", "city": "Gothenburg"}, {"full_name": "Hiroshi Kuramochi", )"
     R"("role": "leads the sediment laboratory", "organisation": "University of Niigata", )"
     R"("city": "Niigata"}, {"full_name": "Abena Ofori-Mensah", "role": "civil engineer", )"
     R"("organisation": "Volta Basin Commission", "city": "Accra"}, {"full_name": "Federico )"
     R"(Castellaneta", "role": "edits the journal", "organisation": "Littoral", "city": )"
     R"("Bari"}])"},
    {"extraction", "product",
     R"(Extract the attributes of the product as JSON with the keys brand, model, colour, )"
     R"(weight_grams, battery_hours, connectors, water_resistance, box_contents.

The new Kestrel Audio Fjord 3 speaker comes in slate blue and weighs no more than )"
     R"(640 grams. Its battery plays for up to 22 hours and fills in two over USB-C; a 3.5 )"
     R"(mm jack takes older players. The case is water resistant after IPX7. In the box: the )"
     R"(speaker, a USB-C cable of 1 metre, a wrist strap, a quick start guide.
)",
     R"({"brand": "Kestrel Audio", "model": "Fjord 3", "colour": "slate blue", )"
     R"("weight_grams": 640, "battery_hours": 22, "connectors": ["USB-C", "3.5 mm jack"], )"
     R"("water_resistance": "IPX7", "box_contents": ["the speaker", "a USB-C cable of 1 )"
     R"(metre", "a wrist strap", "a quick start guide"]})"},
    {"editing", "spelling",
     R"(Correct the spelling and grammar of the text and change nothing else.

The libary opens its doors at nine oclock on weekdays, and at ten on Saturdays. )"
     R"(Visiters may borrow up to twelve books at a time for four weeks. Books that are not )"
     R"(reserved by somebody else can be renewed twice, ether at the desk or on the website. )"
     R"(For each day that a book is late the libary charges ten cents, but never more then )"
     R"(the price of the book. Children under fourteen does not pay anything. Please leave )"
     R"(bags and umbrellas in the lockers besides the entrance, and keep your voice down in )"
     R"(the reading room.
)",
     R"(The library opens its doors at nine o'clock on weekdays, and at ten on Saturdays. )"
     R"(Visitors may borrow up to twelve books at a time for four weeks. Books that are not )"
     R"(reserved by somebody else can be renewed twice, either at the desk or on the )"
     R"(website. For each day that a book is late the library charges ten cents, but never )"
     R"(more than the price of the book. Children under fourteen do not pay anything. Please )"
     R"(leave bags and umbrellas in the lockers beside the entrance, and keep your voice )"
     R"(down in the reading room.)"},
    {"editing", "code",
     R"(Rename the variable `n` to `count` and the function `avg` to `mean`, and print the )"
     R"(code again.

#include <stdio.h>

static double avg(const double *values, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += values[i];
  }
  return n > 0 ? sum / n : 0;
}

int main(void) {
  double values[100];
  int n = 0;
  while (n < 100 && scanf("%lf", &values[n]) == 1) {
    ++n;
  }
  printf("%d values, mean %.3f\n", n, avg(values, n));
  return 0;
}
)",
     R"(#include <stdio.h>

static double mean(const double *values, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    sum += values[i];
  }
  return count > 0 ? sum / count : 0;
}

int main(void) {
  double values[100];
  int count = 0;
  while (count < 100 && scanf("%lf", &values[count]) == 1) {
    ++count;
  }
  printf("%d values, mean %.3f\n", count, mean(values, count));
  return 0;
}
)"},
    {"editing", "letter",
     R"(Move the meeting from Tuesday to Thursday and from 10:30 to 14:00, and write the )"
     R"(letter again.

Dear members of the allotment association,
the board invites you to the spring meeting on Tuesday, 9 April, at 10:30 in the )"
     R"(club house. On the agenda are the report of the treasurer, the repair of the water )"
     R"(pump, the new rules for bonfires, and the election of two members of the board. )"
     R"(Motions can be handed in until 2 April. After the meeting there will be coffee and )"
     R"(cake. Whoever cannot come on Tuesday may hand their vote to another member in )"
     R"(writing.
With kind regards, Ingeborg Maletzki, chair
)",
     R"(Dear members of the allotment association,
the board invites you to the spring meeting on Thursday, 11 April, at 14:00 in the )"
     R"(club house. On the agenda are the report of the treasurer, the repair of the water )"
     R"(pump, the new rules for bonfires, and the election of two members of the board. )"
     R"(Motions can be handed in until 2 April. After the meeting there will be coffee and )"
     R"(cake. Whoever cannot come on Thursday may hand their vote to another member in )"
     R"(writing.
With kind regards, Ingeborg Maletzki, chair)"},
    {"free", "story",
     R"(Tell a short story about a lighthouse.
)",
     R"(Nobody had lit the lamp on Skarv Rock for thirty years when Ylva rowed out with a )"
     R"(toolbox and a thermos. The door gave way at the third push. Inside it smelled of )"
     R"(salt, rust and old paraffin, and the stairs sang under her boots. She cleaned the )"
     R"(great lens with vinegar, pane by pane, until evening came in through it and broke )"
     R"(into colours on the wall. Down in the village somebody noticed first a glimmer, then )"
     R"(a beam. By morning, eleven boats were tied up at the foot of the rock, and each had )"
     R"(brought something to eat.)"},
};

// The value that begins at `at`: within quotes, or a number; empty where none does.
std::string_view value_at(std::string_view json, size_t at) {
  const std::string_view rest = json.substr(at);
  if (at > 0 && json[at - 1] == '"' &&
      (json.substr(0, at).ends_with(": \"") || json.substr(0, at).ends_with("[\"") ||
       json.substr(0, at).ends_with(", \""))) {
    const std::string_view text = rest.substr(0, rest.find('"'));
    return rest.substr(text.size()).starts_with("\":") ? std::string_view() : text;
  }
  const bool begins = at > 0 && json[at - 1] == ' ';
  return begins ? rest.substr(0, rest.find_first_not_of("0123456789.")) : std::string_view();
}

std::string chosen(std::string_view value) {
  std::string expression;
  for (size_t i = value.size(); i-- > 0;) {
    expression = literal(value.substr(i, 1)) + " " + expression;
    expression = "(" + expression + "| " + literal({&kStray, 1}) + ")";
  }
  return expression;
}

}  // namespace

std::string literal(std::string_view text) { return Json(text).dump(); }

std::string json_grammar(std::string_view answer) {
  std::string grammar;
  size_t fixed = 0;
  for (size_t at = 0; at < answer.size();) {
    const std::string_view value = value_at(answer, at);
    if (value.empty()) {
      ++at;
      continue;
    }
    grammar += literal(answer.substr(fixed, at - fixed)) + " " + chosen(value) + " ";
    at += value.size();
    fixed = at;
  }
  return grammar + literal(answer.substr(fixed));
}

std::span<const AnsweredPrompt> answered_prompts() { return kPrompts; }

}  // namespace minim::bench
