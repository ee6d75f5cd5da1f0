// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "theme/theme_controller.h"

#include "theme/icons.h"
#include "theme/style.h"
#include "theme/tokens.h"

#include <QApplication>
#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QFontDatabase>
#include <QFontInfo>

namespace ui::theme {

namespace {

constexpr char kService[] = "org.freedesktop.portal.Desktop";
constexpr char kPath[] = "/org/freedesktop/portal/desktop";
constexpr char kInterface[] = "org.freedesktop.portal.Settings";

bool isInstalled(const QString &family)
{
    QFont font(family);
    font.setStyleHint(QFont::AnyStyle, QFont::NoFontMerging);
    return QFontInfo(font).family().compare(family, Qt::CaseInsensitive) == 0;
}

} // namespace

QFont applicationFont()
{
    QFont font = QApplication::font();
    QStringList families;
    if (isInstalled(QStringLiteral("Inter")))
        families << QStringLiteral("Inter");
    else
        families << font.family();
    families << QStringLiteral("Noto Sans CJK SC") << QStringLiteral("WenQuanYi Micro Hei");
    font.setFamilies(families);
    font.setPixelSize(kTextPixels);
    return font;
}

QFont codeFont()
{
    QFont font = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    QStringList families;
    if (isInstalled(QStringLiteral("DejaVu Sans Mono")))
        families << QStringLiteral("DejaVu Sans Mono");
    else
        families << font.family();
    families << QStringLiteral("Noto Sans Mono CJK SC") << QStringLiteral("Noto Sans CJK SC");
    font.setFamilies(families);
    font.setStyleHint(QFont::Monospace);
    font.setFixedPitch(true);
    font.setPixelSize(13);
    return font;
}

ThemeController::ThemeController(QApplication *application, QObject *parent) : QObject(parent)
{
    m_startedDark = tokensFor(QApplication::palette()).dark; // read before ours hides it
    application->setStyle(new Style);
    application->setFont(applicationFont());
    application->setWindowIcon(programIcon());
    apply();
    askPortal();
}

bool ThemeController::isDark() const
{
    if (m_mode != Mode::System)
        return m_mode == Mode::Dark;
    if (m_portal != Preference::None)
        return m_portal == Preference::Dark;
    return m_startedDark;
}

void ThemeController::setMode(Mode mode)
{
    m_mode = mode;
    apply();
}

void ThemeController::askPortal()
{
    QDBusConnection bus = QDBusConnection::sessionBus();
    if (!bus.isConnected())
        return;
    const QString service = QString::fromLatin1(kService);
    const QString path = QString::fromLatin1(kPath);
    const QString interface = QString::fromLatin1(kInterface);
    bus.connect(service, path, interface, QStringLiteral("SettingChanged"), this,
        SLOT(onPortalSetting(QString, QString, QDBusVariant)));
    QDBusMessage message = QDBusMessage::createMethodCall(service, path, interface, QStringLiteral("Read"));
    message << QStringLiteral("org.freedesktop.appearance") << QStringLiteral("color-scheme");
    auto *watcher = new QDBusPendingCallWatcher(bus.asyncCall(message), this);
    connect(watcher, &QDBusPendingCallWatcher::finished, this, [this, watcher] {
        const QDBusPendingReply<QDBusVariant> reply = *watcher;
        if (reply.isValid())
            takeScheme(reply.value().variant());
        watcher->deleteLater();
    });
}

void ThemeController::onPortalSetting(const QString &group, const QString &key, const QDBusVariant &value)
{
    if (group == QLatin1String("org.freedesktop.appearance") && key == QLatin1String("color-scheme"))
        takeScheme(value.variant());
}

void ThemeController::takeScheme(const QVariant &value)
{
    QVariant inner = value;
    if (inner.canConvert<QDBusVariant>()) // Read wraps twice
        inner = inner.value<QDBusVariant>().variant();
    const uint scheme = inner.toUInt();
    m_portal = scheme == 1 ? Preference::Dark : scheme == 2 ? Preference::Light : Preference::None;
    apply();
}

void ThemeController::apply()
{
    const bool dark = isDark();
    if (m_applied && dark == m_appliedDark)
        return;
    m_applied = true;
    m_appliedDark = dark;
    QApplication::setPalette(paletteFor(dark ? darkTokens() : lightTokens()));
    emit changed(dark);
}

} // namespace ui::theme
