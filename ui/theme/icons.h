// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "theme/tokens.h"

#include <QIcon>

namespace ui::theme {

// A line icon of resources/icons in a role's colour; follows a change of theme by itself.
QIcon icon(const QString &name, Role role = Role::Muted);
QPixmap iconPixmap(const QString &name, const QColor &color, int size, qreal devicePixelRatio);
QIcon programIcon();

} // namespace ui::theme
