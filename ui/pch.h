// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtWidgets/QtWidgets>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>
