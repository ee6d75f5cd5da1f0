// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/settings.h"

#include <QLocale>
#include <QStandardPaths>

namespace ui {

Settings::Settings(QObject *parent)
    : QObject(parent), m_file(QStringLiteral("diptych"), QStringLiteral("diptych"))
{
}

Settings::Settings(const QString &file, QObject *parent) : QObject(parent), m_file(file, QSettings::IniFormat) {}

QString Settings::language() const
{
    const QString chosen = m_file.value(QStringLiteral("language")).toString();
    return chosen == QLatin1String("en") || chosen == QLatin1String("zh_CN") ? chosen : QString();
}

void Settings::setLanguage(const QString &language)
{
    if (language == this->language())
        return;
    m_file.setValue(QStringLiteral("language"), language);
    emit languageChanged(effectiveLanguage());
}

QString Settings::effectiveLanguage() const
{
    const QString chosen = language();
    if (!chosen.isEmpty())
        return chosen;
    return QLocale::system().language() == QLocale::Chinese ? QStringLiteral("zh_CN") : QStringLiteral("en");
}

Settings::Theme Settings::theme() const
{
    const QString chosen = m_file.value(QStringLiteral("theme")).toString();
    if (chosen == QLatin1String("light"))
        return Theme::Light;
    return chosen == QLatin1String("dark") ? Theme::Dark : Theme::System;
}

void Settings::setTheme(Theme theme)
{
    if (theme == this->theme())
        return;
    m_file.setValue(QStringLiteral("theme"),
        theme == Theme::Light ? QStringLiteral("light") : theme == Theme::Dark ? QStringLiteral("dark") : QString());
    emit themeChanged(theme);
}

QString Settings::device() const
{
    const QString chosen = m_file.value(QStringLiteral("device")).toString();
    return chosen.isEmpty() ? QStringLiteral("cpu") : chosen;
}

void Settings::setDevice(const QString &device)
{
    if (device == this->device())
        return;
    m_file.setValue(QStringLiteral("device"), device);
    emit engineChanged();
}

int Settings::threads() const
{
    return qBound(0, m_file.value(QStringLiteral("threads"), 0).toInt(), 1024);
}

void Settings::setThreads(int threads)
{
    if (threads == this->threads())
        return;
    m_file.setValue(QStringLiteral("threads"), threads);
    emit engineChanged();
}

QString Settings::dataFolder() const
{
    const QString chosen = m_file.value(QStringLiteral("dataFolder")).toString();
    if (!chosen.isEmpty())
        return chosen;
    return QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation) + QStringLiteral("/diptych");
}

void Settings::setDataFolder(const QString &folder)
{
    m_file.setValue(QStringLiteral("dataFolder"), folder);
}

QStringList Settings::addedModels() const
{
    return m_file.value(QStringLiteral("models/added")).toStringList();
}

void Settings::setAddedModels(const QStringList &paths)
{
    m_file.setValue(QStringLiteral("models/added"), paths);
}

QVariant Settings::value(const QString &key, const QVariant &otherwise) const
{
    return m_file.value(QStringLiteral("state/") + key, otherwise);
}

void Settings::setValue(const QString &key, const QVariant &value)
{
    m_file.setValue(QStringLiteral("state/") + key, value);
}

} // namespace ui
