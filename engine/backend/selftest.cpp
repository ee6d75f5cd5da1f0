// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest.h"

#include "backend/card_name.h"
#include "backend/selftest_check.h"
#include "kernels/table.h"

namespace engine {

using namespace selftest;

Result<int> checkBackend(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    const std::function<void(const SelftestRow &)> &row)
{
    return Check(tested, reference, name, seed, {kExactBound, kExactBound, kExactBound, kExactBound}, std::string(), row).run();
}

Result<int> runSelftest(const std::string &device, std::uint64_t seed, const std::function<void(const SelftestRow &)> &row,
    const std::string &only)
{
    // All threads for a card's larger shapes; a row does not depend on how many there are.
    ENGINE_TRY(const std::unique_ptr<Backend> reference,
        makeCpuBackend({.threads = device == "cpu" ? 1 : 0, .exact = true, .isa = "reference"}));
    if (device != "cpu") {
        ENGINE_TRY(const int card, cardOf(device));
        int failures = 0;
        for (const bool exact : {true, false}) {
            if (!exact && !cudaTensorCores())
                continue; // both are the same then
            ENGINE_TRY(const std::unique_ptr<Backend> tested, makeCudaBackend(card, exact));
            const Bounds bounds = exact ? Bounds{kExactBound, kExactBound, kExactBound, kExactBound}
                                        : Bounds{kExactBound, kSplitBound, kRoundedBound, kRoundedBound};
            ENGINE_TRY(const int failed, Check(*tested, *reference, device + (exact ? ", exact" : ""), seed, bounds, only, row).run());
            failures += failed;
        }
        return failures;
    }
    int failures = 0;
    for (const kernels::KernelTable *table : kernels::availableTables()) {
        for (const bool exact : {true, false}) {
            if (!exact && table->name == "reference")
                continue; // it has no faster way
            ENGINE_TRY(const std::unique_ptr<Backend> tested, makeCpuBackend({.exact = exact, .isa = table->name}));
            const std::string name = "cpu " + std::string(table->name) + (exact ? ", exact" : "");
            const double bound = exact ? kExactBound : kNativeBound;
            ENGINE_TRY(const int failed, Check(*tested, *reference, name, seed, {bound, bound, bound, bound}, only, row).run());
            failures += failed;
        }
    }
    return failures;
}

} // namespace engine
