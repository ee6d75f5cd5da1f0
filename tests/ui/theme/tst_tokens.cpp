// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "theme/tokens.h"

#include <QPalette>
#include <QTest>

using namespace ui::theme;

class TestTokens : public QObject
{
    Q_OBJECT

private slots:
    void everyTextStandsOutFromEveryGround_data();
    void everyTextStandsOutFromEveryGround();
    void paletteGivesBackItsTokens();
};

void TestTokens::everyTextStandsOutFromEveryGround_data()
{
    QTest::addColumn<bool>("dark");
    QTest::addColumn<int>("text");
    QTest::addColumn<int>("ground");
    const Role texts[] = {Role::Text, Role::Muted, Role::Faint, Role::Accent, Role::ColumnB,
        Role::ColumnC, Role::ColumnD, Role::Ok, Role::Warning, Role::Error, Role::CodeKeyword,
        Role::CodeString, Role::CodeComment, Role::CodeNumber};
    const Role grounds[] = {Role::Window, Role::Surface, Role::Sunken};
    const auto add = [](bool dark, Role text, Role ground) {
        QTest::addRow("%s %d on %d", dark ? "dark" : "light", int(text), int(ground))
            << dark << int(text) << int(ground);
    };
    for (const bool dark : {false, true}) {
        for (const Role text : texts) {
            for (const Role ground : grounds)
                add(dark, text, ground);
        }
        add(dark, Role::OnAccent, Role::Accent);
        add(dark, Role::Accent, Role::AccentSoft);
        add(dark, Role::Text, Role::UserBubble);
        add(dark, Role::Text, Role::Hover);
        add(dark, Role::Muted, Role::Hover);
        add(dark, Role::Text, Role::Selection);
        add(dark, Role::Text, Role::Inserted);
        add(dark, Role::Text, Role::Removed);
        add(dark, Role::Muted, Role::AccentSoft);
    }
}

void TestTokens::everyTextStandsOutFromEveryGround()
{
    QFETCH(bool, dark);
    QFETCH(int, text);
    QFETCH(int, ground);
    const Tokens &tokens = dark ? darkTokens() : lightTokens();
    const double ratio = contrastRatio(tokens[Role(text)], tokens[Role(ground)]);
    QVERIFY2(ratio >= 4.5, qPrintable(QString::number(ratio)));
}

void TestTokens::paletteGivesBackItsTokens()
{
    QVERIFY(!tokensFor(paletteFor(lightTokens())).dark);
    QVERIFY(tokensFor(paletteFor(darkTokens())).dark);
}

QTEST_MAIN(TestTokens)
#include "tst_tokens.moc"
