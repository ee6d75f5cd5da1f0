// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

// What the plug-in of fake_card.cpp pretends; tests reach it by the library's symbol.
struct FakeCard {
    enum class Opening : int { Works = 1, OldDriver, NoCard, WrongGeneration, OtherBuild, Busy };
    std::atomic<Opening> opening{Opening::Works};
    std::atomic<std::uint64_t> totalBytes{std::uint64_t{8} << 30U};
    std::atomic<std::uint64_t> otherProgramsBytes{0}; // taken by other programs
    std::atomic<std::uint64_t> usedBytes{0};          // allocated here, in pages as a card gives them out
    std::atomic<std::uint64_t> outsideBytes{0};       // ever allocated by a context that had reserved and had no room left there
    std::atomic<bool> isLost{false};                  // every step fails
    std::atomic<int> fullAfterSteps{-1};              // one step finds no memory after so many; -1: never
    std::atomic<int> stepMicroseconds{0};             // what a step takes
    std::atomic<int> answerSteps{0};                  // steps of running answers,
    std::atomic<int> foreseenSteps{0};                // of these: the card could have begun them by itself (cuda_ahead.h)
};
#define FAKE_CARD_SYMBOL "fakeCard"
