// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/tokenizer.h"

#include <QString>

#include <memory>

QString goldenPath(const QString &name); // below tests/golden
// A published tokenizer, unpacked and loaded once; nothing when that fails.
std::shared_ptr<const engine::Tokenizer> goldenTokenizer(const QString &family);
