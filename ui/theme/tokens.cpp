// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "theme/tokens.h"

#include <QPalette>
#include <QWidget>

#include <cmath>

namespace ui::theme {

namespace {

struct RoleColors {
    Role role;
    QRgb light;
    QRgb dark;
};

constexpr RoleColors kTable[] = {
    {Role::Window, 0xFFF5F6F8, 0xFF14161A},
    {Role::Surface, 0xFFFFFFFF, 0xFF1B1E23},
    {Role::Sunken, 0xFFECEEF2, 0xFF101215},
    {Role::Border, 0xFFDCE0E6, 0xFF2C3138},
    {Role::Text, 0xFF1A1D21, 0xFFE7E9EC},
    {Role::Muted, 0xFF535C67, 0xFFA9B2BD},
    {Role::Faint, 0xFF5F6873, 0xFF8D97A3},
    {Role::Accent, 0xFF3F51D8, 0xFF8C9BFF},
    {Role::OnAccent, 0xFFFFFFFF, 0xFF14161A},
    {Role::AccentSoft, 0xFFE4E7FC, 0xFF23273F},
    {Role::ColumnB, 0xFF08706B, 0xFF4FC4BC},
    {Role::ColumnC, 0xFF9A4F00, 0xFFE5A15A},
    {Role::ColumnD, 0xFF8A3FA0, 0xFFC58BD6},
    {Role::UserBubble, 0xFFEEF0FE, 0xFF23273F},
    {Role::Inserted, 0xFFD9F2E3, 0xFF173726},
    {Role::Removed, 0xFFFBE0DD, 0xFF44211F},
    {Role::Ok, 0xFF1B7043, 0xFF6CCB96},
    {Role::Warning, 0xFF9A4F00, 0xFFE5A15A},
    {Role::Error, 0xFFB3261E, 0xFFF2877F},
    {Role::Hover, 0xFFE3E6EB, 0xFF24282E},
    {Role::Selection, 0xFFC9D0FA, 0xFF3A4378},
    {Role::CodeKeyword, 0xFF3F51D8, 0xFF8C9BFF},
    {Role::CodeString, 0xFF08706B, 0xFF4FC4BC},
    {Role::CodeComment, 0xFF5F6873, 0xFF8D97A3},
    {Role::CodeNumber, 0xFF9A4F00, 0xFFE5A15A},
};
static_assert(std::size(kTable) == kRoleCount);

Tokens makeTokens(bool dark)
{
    Tokens tokens;
    tokens.dark = dark;
    for (const RoleColors &row : kTable)
        tokens.colors[static_cast<std::size_t>(row.role)] = QColor::fromRgb(dark ? row.dark : row.light);
    return tokens;
}

double luminance(const QColor &color)
{
    const auto linear = [](double channel) {
        return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) +
           0.0722 * linear(color.blueF());
}

} // namespace

const QColor &Tokens::column(int index) const
{
    constexpr Role kColumns[] = {Role::Accent, Role::ColumnB, Role::ColumnC, Role::ColumnD};
    return (*this)[kColumns[static_cast<std::size_t>(index < 0 ? 0 : index) % std::size(kColumns)]];
}

const Tokens &lightTokens()
{
    static const Tokens tokens = makeTokens(false);
    return tokens;
}

const Tokens &darkTokens()
{
    static const Tokens tokens = makeTokens(true);
    return tokens;
}

const Tokens &tokensFor(const QPalette &palette)
{
    const bool dark = luminance(palette.color(QPalette::Active, QPalette::Window)) <
                      luminance(palette.color(QPalette::Active, QPalette::WindowText));
    return dark ? darkTokens() : lightTokens();
}

const Tokens &tokensFor(const QWidget *widget)
{
    return tokensFor(widget->palette());
}

QPalette paletteFor(const Tokens &tokens)
{
    QPalette palette;
    const auto set = [&palette](QPalette::ColorRole role, const QColor &color) {
        palette.setColor(QPalette::All, role, color);
    };
    set(QPalette::Window, tokens[Role::Window]);
    set(QPalette::WindowText, tokens[Role::Text]);
    set(QPalette::Base, tokens[Role::Surface]);
    set(QPalette::AlternateBase, tokens[Role::Sunken]);
    set(QPalette::Text, tokens[Role::Text]);
    set(QPalette::Button, tokens[Role::Surface]);
    set(QPalette::ButtonText, tokens[Role::Text]);
    set(QPalette::BrightText, tokens[Role::Error]);
    set(QPalette::PlaceholderText, tokens[Role::Faint]);
    set(QPalette::ToolTipBase, tokens[Role::Surface]);
    set(QPalette::ToolTipText, tokens[Role::Text]);
    set(QPalette::Highlight, tokens[Role::Selection]);
    set(QPalette::HighlightedText, tokens[Role::Text]);
    set(QPalette::Link, tokens[Role::Accent]);
    set(QPalette::LinkVisited, tokens[Role::Accent]);
    set(QPalette::Light, tokens[Role::Surface]);
    set(QPalette::Midlight, tokens[Role::Hover]);
    set(QPalette::Mid, tokens[Role::Border]);
    set(QPalette::Dark, tokens[Role::Border]);
    set(QPalette::Shadow, tokens[Role::Border]);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        palette.setColor(QPalette::Disabled, role, tokens[Role::Faint]);
    return palette;
}

double contrastRatio(const QColor &a, const QColor &b)
{
    const double first = luminance(a);
    const double second = luminance(b);
    return (std::max(first, second) + 0.05) / (std::min(first, second) + 0.05);
}

} // namespace ui::theme
