// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a form of activations (split in two float16, rounded to bfloat16) is put: forms keep their memory, since recorded steps
// know its address. Plain bookkeeping, no CUDA: tests/engine/backend/tst_cuda_forms.cpp.
// A form has `data` (whose it is), `memory.bytes` and `valid` (somebody may still read it).

#include <algorithm>
#include <cstddef>
#include <vector>

namespace plugin {

inline constexpr std::size_t kMostSplits = 48; // beyond them one that is no longer valid is used again, where it is large enough

// The smallest of at least so many bytes that nobody can use any more; end: none.
template <typename Form> typename std::vector<Form>::iterator smallestFree(std::vector<Form> &forms, std::size_t bytes)
{
    auto found = forms.end();
    for (auto form = forms.begin(); form != forms.end(); ++form) {
        if (!form->valid && form->memory.bytes >= bytes && (found == forms.end() || form->memory.bytes < found->memory.bytes))
            found = form;
    }
    return found;
}

// The form that `data` has, or from the kMostSplits-th on one whose memory it may take over; end: it gets a new one.
template <typename Form>
typename std::vector<Form>::iterator splitFormFor(std::vector<Form> &forms, const float *data, std::size_t bytes)
{
    const auto own = std::find_if(forms.begin(), forms.end(), [&](const Form &form) { return form.data == data; });
    return own == forms.end() && forms.size() >= kMostSplits ? smallestFree(forms, bytes) : own;
}

} // namespace plugin
