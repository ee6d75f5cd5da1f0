// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QDBusVariant>
#include <QFont>
#include <QObject>

class QApplication;

namespace ui::theme {

enum class Mode { System = 1, Light, Dark };

// Puts style, font and palette on the application and follows the system's light or dark:
// the user's own choice, then the desktop portal (asked without waiting), then the palette it started with.
class ThemeController final : public QObject
{
    Q_OBJECT

public:
    explicit ThemeController(QApplication *application, QObject *parent = nullptr);

    void setMode(Mode mode);
    [[nodiscard]] Mode mode() const { return m_mode; }
    [[nodiscard]] bool isDark() const;

signals:
    void changed(bool dark);

private slots:
    void onPortalSetting(const QString &group, const QString &key, const QDBusVariant &value);

private:
    void askPortal();
    void takeScheme(const QVariant &value);
    void apply();

    enum class Preference { None, Dark, Light };
    Mode m_mode = Mode::System;
    Preference m_portal = Preference::None;
    bool m_startedDark = false;
    bool m_applied = false;
    bool m_appliedDark = false;
};

// 14 px, Inter where it is installed, CJK families behind it.
QFont applicationFont();
QFont codeFont();

} // namespace ui::theme
