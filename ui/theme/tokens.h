// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QColor>

#include <array>

class QPalette;
class QWidget;

namespace ui::theme {

// Colours are asked for by what they are for, never by what they look like.
enum class Role {
    Window,
    Surface,
    Sunken,
    Border,
    Text,
    Muted,
    Faint,
    Accent, // also column A
    OnAccent,
    AccentSoft, // selected rows and chips behind accent text
    ColumnB,
    ColumnC,
    ColumnD,
    UserBubble,
    Inserted,
    Removed,
    Ok,
    Warning,
    Error,
    Hover,
    Selection, // behind selected text
    CodeKeyword,
    CodeString,
    CodeComment,
    CodeNumber,
    Count,
};

constexpr int kRoleCount = static_cast<int>(Role::Count);

struct Tokens {
    bool dark = false;
    std::array<QColor, kRoleCount> colors;

    const QColor &operator[](Role role) const { return colors[static_cast<std::size_t>(role)]; }
    const QColor &column(int index) const; // 0 is the first column; wraps after four
};

const Tokens &lightTokens();
const Tokens &darkTokens();

// The theme is what the palette says, so a widget needs no pointer to anything to paint itself.
const Tokens &tokensFor(const QPalette &palette);
const Tokens &tokensFor(const QWidget *widget);

QPalette paletteFor(const Tokens &tokens);

// WCAG 2 contrast ratio, 1 to 21.
double contrastRatio(const QColor &a, const QColor &b);

// Spacing and radii of LOOK.md, in device-independent pixels.
constexpr int kRadiusControl = 8;
constexpr int kRadiusPicture = 10;
constexpr int kRadiusBubble = 14;
constexpr int kReadingWidth = 760;
constexpr int kSidebarWidth = 256;
constexpr int kHeaderHeight = 52;
constexpr int kStatusHeight = 28;
constexpr int kTextPixels = 14;
constexpr int kSmallPixels = 12;
constexpr int kTitlePixels = 15;
constexpr double kCodePixels = 12.5;

} // namespace ui::theme
