// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "theme/tokens.h"

#include <QLabel>

namespace ui {

// A label in a colour named by role; follows a change of theme. Plain text, wraps when asked.
class RoleLabel final : public QLabel
{
    Q_OBJECT

public:
    explicit RoleLabel(theme::Role role, const QString &text = {}, QWidget *parent = nullptr);

    void setRole(theme::Role role);
    void setPixelSize(int pixels, bool semibold = false);

protected:
    void changeEvent(QEvent *event) override;

private:
    void applyColor();

    theme::Role m_role;
};

} // namespace ui
