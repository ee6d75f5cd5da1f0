// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "theme/style.h"
#include "theme/theme_controller.h"
#include "theme/tokens.h"

#include <QApplication>
#include <QDir>
#include <QTest>
#include <QTranslator>
#include <QWidget>

// The look of the program for tests of pages; and pictures of them where DIPTYCH_SHOTS names a folder.
namespace pages {

inline void dress(bool dark)
{
    const ui::theme::Tokens &tokens = dark ? ui::theme::darkTokens() : ui::theme::lightTokens();
    QApplication::setFont(ui::theme::applicationFont());
    QApplication::setPalette(ui::theme::paletteFor(tokens));
}

inline void shoot(QWidget &page, const QString &name)
{
    const QString folder = qEnvironmentVariable("DIPTYCH_SHOTS");
    if (folder.isEmpty())
        return;
    for (const bool dark : {false, true}) {
        dress(dark);
        QTest::qWait(80);
        page.grab().save(QDir(folder).filePath(name + (dark ? QStringLiteral("_dark.png") : QStringLiteral("_light.png"))));
    }
    dress(false);
}

} // namespace pages
