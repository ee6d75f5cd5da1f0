// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "application.h"
#include "shell/main_window.h"

#include <QApplication>
#include <QCommandLineParser>

int main(int argc, char **argv)
{
    QApplication qt(argc, argv);
    QApplication::setApplicationName(QStringLiteral("diptych"));
    QApplication::setApplicationDisplayName(QStringLiteral("Diptych"));
    QApplication::setApplicationVersion(QStringLiteral(DIPTYCH_VERSION));
    QApplication::setDesktopFileName(QStringLiteral("org.diptych.Diptych"));

    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("Ask models of the DeepSeek family about pictures, one or two at a time."));
    parser.addHelpOption();
    parser.addVersionOption();
    const QCommandLineOption open(QStringLiteral("open"), QStringLiteral("Start with this picture; may be given several times."),
        QStringLiteral("FILE"));
    const QCommandLineOption ask(QStringLiteral("ask"), QStringLiteral("Ask this question at once."), QStringLiteral("QUESTION"));
    parser.addOptions({open, ask});
    parser.addPositionalArgument(QStringLiteral("pictures"), QStringLiteral("Pictures to start with."), QStringLiteral("[FILE...]"));
    parser.process(qt);

    app::Application application(qt, engine::Runtime::create());
    ui::MainWindow &window = application.window();
    window.show();
    for (const QString &picture : parser.values(open) + parser.positionalArguments())
        window.openPicture(picture);
    if (parser.isSet(ask))
        window.ask(parser.value(ask)); // goes out once the pictures are read
    return QApplication::exec();
}
