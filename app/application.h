// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <QObject>
#include <QTranslator>

#include <memory>

class QApplication;

namespace ui {
class ConversationStore;
class EngineService;
class ImageLoader;
class MainWindow;
class ModelLibrary;
class Settings;
namespace theme {
class ThemeController;
}
} // namespace ui

namespace app {

// The one place where the program's parts meet: made in order, ended in the other.
class Application final : public QObject
{
    Q_OBJECT

public:
    // Tests bring their own settings file and data folder; empty means the user's.
    Application(QApplication &qt, std::unique_ptr<engine::Runtime> runtime, const QString &settingsFile = {},
        const QString &dataFolder = {});
    ~Application() override;

    [[nodiscard]] ui::MainWindow &window() { return *m_window; }
    [[nodiscard]] ui::Settings &settings() { return *m_settings; }
    [[nodiscard]] ui::theme::ThemeController &theme() { return *m_theme; }

private:
    void applyLanguage();
    void applyTheme();

    QApplication &m_qt;
    QTranslator m_translator;
    QTranslator m_qtTranslator;
    std::unique_ptr<ui::Settings> m_settings;
    std::unique_ptr<ui::theme::ThemeController> m_theme;
    std::unique_ptr<ui::ConversationStore> m_store;
    std::unique_ptr<ui::EngineService> m_engine;
    std::unique_ptr<ui::ModelLibrary> m_library;
    std::unique_ptr<ui::ImageLoader> m_loader;
    std::unique_ptr<ui::MainWindow> m_window;
};

} // namespace app
