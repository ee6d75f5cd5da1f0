// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Takes memory bandwidth of a card away from the program it is preloaded into: copies inside the card by its copy engines, at a fixed
// rate, so that a faster card shows something of what a slower memory would do (RESULTS.md). For measurements only.
//
//     SHARE_GB_PER_S=400 LD_PRELOAD=libshare_bandwidth.so diptych-cli bench --device cuda -m MODEL -p 0 -n 128
//
// A thread of its own waits for the program's context, then queues copies of 8 MB on SHARE_STREAMS streams (2); what it really copied
// is printed at the end. Each copied byte is read and written once.
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using Handle = void *;
using Pointer = unsigned long long;

constexpr std::size_t kCopyBytes = std::size_t{8} << 20, kPoolBytes = std::size_t{512} << 20;
constexpr int kMostStreams = 8, kEvents = 64;

std::atomic<bool> g_ends{false};
double g_copiedBytes = 0.0, g_seconds = 0.0;
std::thread *g_thread = nullptr; // never destroyed: the program's end joins it

template <typename F> bool find(void *library, const char *name, F &function)
{
    function = reinterpret_cast<F>(dlsym(library, name));
    if (function == nullptr)
        std::fprintf(stderr, "share_bandwidth: the driver has no %s\n", name);
    return function != nullptr;
}

void copyUntilEnd(double bytesPerSecond, int streams)
{
    const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
    void *library = nullptr;
    while ((library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD)) == nullptr) {
        if (g_ends)
            return;
        pause();
    }
    int (*state)(int, unsigned *, int *);
    int (*retain)(Handle *, int);
    int (*setCurrent)(Handle);
    int (*allocate)(Pointer *, std::size_t);
    int (*copy)(Pointer, Pointer, std::size_t, Handle);
    int (*createStream)(Handle *, unsigned);
    int (*createEvent)(Handle *, unsigned);
    int (*record)(Handle, Handle);
    int (*query)(Handle);
    if (!find(library, "cuDevicePrimaryCtxGetState", state) || !find(library, "cuDevicePrimaryCtxRetain", retain)
        || !find(library, "cuCtxSetCurrent", setCurrent) || !find(library, "cuMemAlloc_v2", allocate)
        || !find(library, "cuMemcpyDtoDAsync_v2", copy) || !find(library, "cuStreamCreate", createStream)
        || !find(library, "cuEventCreate", createEvent) || !find(library, "cuEventRecord", record)
        || !find(library, "cuEventQuery", query))
        return;
    for (int active = 0; active == 0; pause()) {
        unsigned flags = 0;
        if (g_ends)
            return;
        if (state(0, &flags, &active) != 0)
            active = 0;
    }
    Handle context = nullptr;
    Pointer from = 0;
    Pointer to = 0;
    if (retain(&context, 0) != 0 || setCurrent(context) != 0 || allocate(&from, kPoolBytes) != 0 || allocate(&to, kPoolBytes) != 0) {
        std::fprintf(stderr, "share_bandwidth: no memory on the card\n");
        return;
    }
    std::array<Handle, kMostStreams> stream{};
    std::array<Handle, kEvents> event{};
    for (int i = 0; i < streams; ++i)
        createStream(&stream[static_cast<std::size_t>(i)], 1); // waits for no other
    for (Handle &e : event)
        createEvent(&e, 2); // without times
    const auto start = Clock::now();
    const std::size_t behind = 4 * static_cast<std::size_t>(streams); // copies on the way at a time
    for (std::size_t i = 0; !g_ends;) {
        g_seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (g_copiedBytes > g_seconds * bytesPerSecond || (i >= behind && query(event[(i - behind) % kEvents]) != 0))
            continue;
        const std::size_t at = i % (kPoolBytes / kCopyBytes) * kCopyBytes;
        const Handle on = stream[i % static_cast<std::size_t>(streams)];
        if (copy(to + at, from + at, kCopyBytes, on) != 0) // the program is about to end
            return;
        record(event[i % kEvents], on);
        g_copiedBytes += static_cast<double>(kCopyBytes);
        ++i;
    }
}

[[gnu::constructor]] void begin()
{
    const char *rate = std::getenv("SHARE_GB_PER_S");
    const char *wanted = std::getenv("SHARE_STREAMS");
    const int streams = wanted != nullptr ? std::atoi(wanted) : 2;
    if (rate != nullptr)
        g_thread = new std::thread(copyUntilEnd, std::atof(rate) * 1e9, streams < 1 ? 1 : streams > kMostStreams ? kMostStreams : streams);
}
[[gnu::destructor]] void end()
{
    g_ends = true;
    if (g_thread == nullptr)
        return;
    g_thread->join();
    if (g_seconds > 0.0)
        std::fprintf(stderr, "share_bandwidth: %.0f GB/s copied\n", g_copiedBytes / g_seconds * 1e-9);
}

} // namespace
