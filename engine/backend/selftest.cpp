// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest.h"

#include "backend/selftest_check.h"
#include "kernels/table.h"

#include <charconv>

namespace engine {

namespace {

Result<int> cudaCard(const std::string &device)
{
    if (device == "cuda")
        return 0;
    int card = -1;
    const char *end = device.data() + device.size();
    const auto parsed = std::from_chars(device.data() + std::min<std::size_t>(5, device.size()), end, card);
    if (device.rfind("cuda:", 0) != 0 || parsed.ec != std::errc() || parsed.ptr != end || card < 0)
        return Error{ErrorCode::BadRequest, "there is no device \"" + device + "\"; use cpu, cuda or cuda:N"};
    return card;
}

} // namespace

using namespace selftest;

Result<int> checkBackend(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    const std::function<void(const SelftestRow &)> &row)
{
    return Check(tested, reference, name, seed, {kExactBound, kExactBound, kExactBound, kExactBound}, std::string(), row).run();
}

Result<int> runSelftest(const std::string &device, std::uint64_t seed, const std::function<void(const SelftestRow &)> &row,
    const std::string &only)
{
    ENGINE_TRY(const std::unique_ptr<Backend> reference, makeCpuBackend({.threads = 1, .exact = true, .isa = "reference"}));
    if (device.rfind("cuda", 0) == 0) {
        ENGINE_TRY(const int card, cudaCard(device));
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
    if (device != "cpu")
        return Error{ErrorCode::BadRequest, "there is no device \"" + device + "\"; use cpu, cuda or cuda:N"};
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
