// The step of a graph that applies the adapters of a batch's sequences.
#pragma once

#include "model/architecture.h"
#include "tensor/matrix_view.h"
#include "tensor/weight_matrix.h"

namespace minim {

bool is_adapted(const Batch& batch);

// After a product of `from` with `weights` that went `to`: adds what each sequence's adapters
// change of it. Every row is changed as if its sequence were alone. REQUIRES: both have the rows of
// the batch, or those of its outputs.
void adapt(const Pass& pass, const WeightMatrix& weights, ConstMatrixView from, MatrixView to);

}  // namespace minim
