// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QObject>
#include <QSettings>
#include <QString>
#include <QStringList>

namespace ui {

// What the user chose, kept in $XDG_CONFIG_HOME/diptych/diptych.conf. GUI thread.
class Settings final : public QObject
{
    Q_OBJECT

public:
    enum class Theme { System = 1, Light, Dark };

    explicit Settings(QObject *parent = nullptr);
    explicit Settings(const QString &file, QObject *parent = nullptr); // tests

    [[nodiscard]] QString language() const; // "": the system's, "en", "zh_CN"
    void setLanguage(const QString &language);
    [[nodiscard]] QString effectiveLanguage() const; // "en" or "zh_CN"

    [[nodiscard]] Theme theme() const;
    void setTheme(Theme theme);

    [[nodiscard]] QString device() const; // "cpu", "cuda:0"
    void setDevice(const QString &device);
    [[nodiscard]] int threads() const; // 0: as many as allowed
    void setThreads(int threads);

    [[nodiscard]] QString dataFolder() const; // $XDG_DATA_HOME/diptych unless chosen
    void setDataFolder(const QString &folder); // takes effect at the next start

    [[nodiscard]] QStringList addedModels() const; // paths
    void setAddedModels(const QStringList &paths);

    // Anything small a page wants to remember ("compare/left", "window/geometry").
    [[nodiscard]] QVariant value(const QString &key, const QVariant &otherwise = {}) const;
    void setValue(const QString &key, const QVariant &value);

signals:
    void languageChanged(const QString &effective);
    void themeChanged(ui::Settings::Theme theme);
    void engineChanged(); // device or threads: models loaded from now on use them

private:
    QSettings m_file;
};

} // namespace ui
