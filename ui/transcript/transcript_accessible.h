// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ui {

// Tells Qt how a TranscriptView is read aloud: a document whose children are the messages. Safe to call often.
void installTranscriptAccessibility();

} // namespace ui
