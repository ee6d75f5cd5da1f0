// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// A libdiptych-cuda.so without a card: memory is the processor's, operations do nothing, every token is the same. For the
// paths around a card: opening, memory, steps that fail.
#include "fake_card.h"

#include "backend/arena.h"
#include "backend/cuda_ahead.h"
#include "backend/cuda_plugin_api.h"
#include "kernels/choose.h"
#include "kernels/packed_bytes.h"

#include <chrono>
#include <cstdio>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

extern "C" __attribute__((visibility("default"))) FakeCard fakeCard;
FakeCard fakeCard;

namespace {

constexpr std::size_t kHeader = 64; // alignment of what is handed out, and the room before it
struct Header {
    void *block;
    std::size_t bytes;
};
constexpr std::int32_t kChosen = 40;
constexpr std::int32_t kLimits[] = {320, 384}; // tokens from which on other kernels of the plug-in take a row

plugin::StepNumbers lastStep;

// Stands for every operation that queues work: arguments are left alone, and what asks whether it was done hears no.
int nothing()
{
    return 0;
}

const char *deviceName(void *) { return "Pretended Card 8 GB"; }

void memory(void *, std::uint64_t *free, std::uint64_t *total)
{
    const std::uint64_t taken = fakeCard.usedBytes + fakeCard.otherProgramsBytes;
    *total = fakeCard.totalBytes;
    *free = *total > taken ? *total - taken : 0;
}

// What a card gives out: pages, which small pieces share.
constexpr std::uint64_t kPage = std::uint64_t{2} << 20U, kSmall = kPage / 2;

std::uint64_t pagesOf(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

std::mutex cardMutex;
std::uint64_t smallBytes = 0;

// So many bytes more, or less, of the card.
void count(std::uint64_t bytes, bool isTaken)
{
    const std::scoped_lock lock(cardMutex);
    if (bytes >= kSmall) {
        fakeCard.usedBytes += isTaken ? pagesOf(bytes) : -pagesOf(bytes);
        return;
    }
    fakeCard.usedBytes -= pagesOf(smallBytes);
    smallBytes += isTaken ? bytes : -bytes;
    fakeCard.usedBytes += pagesOf(smallBytes);
}

struct Context {
    engine::Arena arena;
    std::vector<void *> pieces;
};

Context &of(void *context) { return *static_cast<Context *>(context); }

void *take(std::size_t bytes)
{
    std::uint64_t free = 0, total = 0;
    memory(nullptr, &free, &total);
    if (bytes > free)
        return nullptr;
    void *block = std::calloc(1, bytes + 2 * kHeader); // large ones take no pages before they are written
    if (block == nullptr)
        return nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    auto *place = reinterpret_cast<std::byte *>((address + 2 * kHeader - 1) / kHeader * kHeader);
    const Header header{block, bytes};
    std::memcpy(place - sizeof header, &header, sizeof header);
    count(bytes, true);
    return place;
}

void give(void *place)
{
    Header header{};
    std::memcpy(&header, static_cast<std::byte *>(place) - sizeof header, sizeof header);
    count(header.bytes, false);
    std::free(header.block);
}

void *allocate(void *context, std::size_t bytes)
{
    void *place = of(context).arena.take(bytes);
    if (place != nullptr)
        return place;
    place = take(bytes);
    if (place != nullptr && of(context).arena.reservedBytes() > 0)
        fakeCard.outsideBytes += bytes;
    return place;
}

void release(void *context, void *device)
{
    if (device != nullptr && !of(context).arena.give(device))
        give(device);
}

int reserve(void *context, std::size_t bytes)
{
    void *piece = take(bytes);
    if (piece == nullptr)
        return 0;
    of(context).arena.add(piece, bytes);
    of(context).pieces.push_back(piece);
    return 1;
}

DiptychCudaWork work(void *context)
{
    const engine::Arena &arena = of(context).arena;
    return {arena.reservedBytes(), arena.mostBytes(), fakeCard.outsideBytes};
}

void close(void *context)
{
    for (void *piece : of(context).pieces)
        give(piece);
    delete &of(context);
}

std::size_t packedBytes(void *, const DiptychCudaWeight *w)
{
    return kernels::cuda::packedBytes(static_cast<kernels::DType>(w->dtype), w->experts, w->out, w->in, w->scaleRows,
        w->scales != nullptr ? w->scaleColumns : 128);
}

void toDevice(void *, void *device, const void *host, std::size_t bytes) { std::memcpy(device, host, bytes); }
void toHost(void *, void *host, const void *device, std::size_t bytes) { std::memcpy(host, device, bytes); }

int finishStep(void *, char *error, std::size_t errorBytes)
{
    std::this_thread::sleep_for(std::chrono::microseconds(fakeCard.stepMicroseconds));
    if (fakeCard.isLost) {
        std::snprintf(error, errorBytes, "unspecified launch failure");
        return 1;
    }
    if (fakeCard.fullAfterSteps >= 0 && fakeCard.fullAfterSteps-- == 0) {
        std::snprintf(error, errorBytes, "room for a step");
        return 2;
    }
    return 0;
}

DiptychCudaSteps steps(void *) { return {0, 0, 0, 0, 0, ""}; }

void beginStep(void *, const std::int32_t *ids, const std::int32_t *positions, std::int32_t rows,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount, std::int32_t blockTokens)
{
    const auto count = static_cast<std::size_t>(rows);
    plugin::StepNumbers step;
    plugin::setNumbers(step, {ids, count}, {positions, count}, {sequences, static_cast<std::size_t>(sequenceCount)}, blockTokens);
    const std::vector<std::int32_t> chosen(count, kChosen);
    fakeCard.answerSteps += step.isDecode ? 1 : 0;
    fakeCard.foreseenSteps += plugin::canForesee(lastStep, kLimits) && plugin::isForeseen(lastStep, chosen, step) ? 1 : 0;
    lastStep = std::move(step);
}

void choose(void *, DiptychCudaRows logits, std::int32_t, const void *, void *choices)
{
    auto *chosen = static_cast<kernels::Choice *>(choices);
    for (std::int64_t row = 0; row < logits.rows; ++row) {
        chosen[row] = {};
        chosen[row].id = kChosen;
        chosen[row].state = kernels::ChoiceState::Chosen;
    }
}

int refuse(char *error, std::size_t bytes, const char *why)
{
    std::snprintf(error, bytes, "%s", why);
    return 1;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int diptychCudaOpen(std::uint32_t abi, const char *, int device, int,
    DiptychCudaApi *api, char *error, std::size_t errorBytes)
{
    // The sentences of the real one.
    switch (fakeCard.opening.load()) {
    case FakeCard::Opening::Works: break;
    case FakeCard::Opening::OldDriver:
        return refuse(error, errorBytes, "the NVIDIA driver is missing or older than CUDA 13 needs; update it");
    case FakeCard::Opening::NoCard:
        return refuse(error, errorBytes, "no NVIDIA card can be used: no CUDA-capable device is detected");
    case FakeCard::Opening::WrongGeneration:
        return refuse(error, errorBytes, "Pretended Card is of a generation this build has no code for (sm_61)");
    case FakeCard::Opening::OtherBuild:
        return refuse(error, errorBytes, "the CUDA plug-in is of another build of Diptych; install both from one package");
    case FakeCard::Opening::Busy:
        return refuse(error, errorBytes, "the card does not answer; another program may hold it exclusively");
    }
    if (abi != DIPTYCH_CUDA_ABI)
        return refuse(error, errorBytes, "the CUDA plug-in is of another build of Diptych; install both from one package");
    if (device != 0)
        return refuse(error, errorBytes, ("there is no CUDA device " + std::to_string(device) + "; this machine has 1").c_str());
    *api = {};
    // All of the table, whatever a later one adds, then what must answer.
    constexpr std::size_t kFirst = offsetof(DiptychCudaApi, close);
    int (*const stand)() = nothing;
    for (std::size_t at = kFirst; at + sizeof stand <= sizeof *api; at += sizeof stand)
        std::memcpy(reinterpret_cast<std::byte *>(api) + at, &stand, sizeof stand);
    api->abi = DIPTYCH_CUDA_ABI;
    api->context = new Context;
    api->close = close;
    api->deviceName = deviceName;
    api->memory = memory;
    api->allocate = allocate;
    api->release = release;
    api->reserve = reserve;
    api->work = work;
    api->toDevice = toDevice;
    api->toHost = toHost;
    api->finishStep = finishStep;
    api->beginStep = beginStep;
    api->packedBytes = packedBytes;
    api->steps = steps;
    api->choose = choose;
    return 0;
}
