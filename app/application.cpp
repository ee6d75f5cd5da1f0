// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "application.h"

#include "services/engine_service.h"
#include "services/image_loader.h"
#include "services/model_library.h"
#include "services/settings.h"
#include "shell/main_window.h"
#include "storage/conversation_store.h"
#include "theme/theme_controller.h"

#include <QApplication>
#include <QLibraryInfo>
#include <QLocale>

namespace app {

Application::Application(QApplication &qt, std::unique_ptr<engine::Runtime> runtime, const QString &settingsFile,
    const QString &dataFolder)
    : m_qt(qt), m_settings(settingsFile.isEmpty() ? std::make_unique<ui::Settings>() : std::make_unique<ui::Settings>(settingsFile)),
      m_theme(std::make_unique<ui::theme::ThemeController>(&qt))
{
    applyTheme();
    applyLanguage();
    m_store = std::make_unique<ui::ConversationStore>(dataFolder.isEmpty() ? m_settings->dataFolder() : dataFolder);
    m_engine = std::make_unique<ui::EngineService>(std::move(runtime));
    m_library = std::make_unique<ui::ModelLibrary>(*m_settings);
    m_loader = std::make_unique<ui::ImageLoader>();
    m_window = std::make_unique<ui::MainWindow>(ui::WindowServices{*m_engine, *m_library, *m_store, *m_loader, *m_settings});
    connect(m_settings.get(), &ui::Settings::languageChanged, this, &Application::applyLanguage);
    connect(m_settings.get(), &ui::Settings::themeChanged, this, &Application::applyTheme);
    m_store->open();
}

Application::~Application() = default; // window first, engine and store after it

void Application::applyLanguage()
{
    const QString language = m_settings->effectiveLanguage();
    m_qt.removeTranslator(&m_translator);
    m_qt.removeTranslator(&m_qtTranslator);
    QLocale::setDefault(language == QLatin1String("zh_CN") ? QLocale(QLocale::Chinese, QLocale::China) : QLocale(QLocale::English));
    if (m_qtTranslator.load(QStringLiteral("qtbase_") + language, QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
        m_qt.installTranslator(&m_qtTranslator);
    if (m_translator.load(QStringLiteral(":/i18n/diptych_") + language))
        m_qt.installTranslator(&m_translator);
}

void Application::applyTheme()
{
    using ui::Settings;
    using ui::theme::Mode;
    const Settings::Theme chosen = m_settings->theme();
    m_theme->setMode(chosen == Settings::Theme::Dark ? Mode::Dark : chosen == Settings::Theme::Light ? Mode::Light : Mode::System);
}

} // namespace app
