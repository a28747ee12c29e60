// Memory for applying adapters, kept from product to product.
#pragma once

#include <vector>

namespace minim {

struct AdapterScratch {
  std::vector<float> inner;  // [rows, rank]
  std::vector<float> outer;  // [rows, cols of the result]
  std::vector<float> sum;    // likewise
};

}  // namespace minim
