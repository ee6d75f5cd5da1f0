// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QWidget>

class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace ui {

class ConversationStore;
class EngineService;
class PageHeader;
class RoleLabel;
class Settings;

// What the user can choose. Everything takes effect at once but the data folder, which says so.
class SettingsPage final : public QWidget
{
    Q_OBJECT

public:
    SettingsPage(EngineService &engine, ConversationStore &store, Settings &settings, QWidget *parent = nullptr);

protected:
    void changeEvent(QEvent *event) override;

private:
    void build();
    QVBoxLayout *addGroup(QVBoxLayout *column, const QString &title);
    void addRow(QVBoxLayout *group, const QString &name, const QString &explanation, QWidget *control);
    void addAppearance(QVBoxLayout *column);
    void addEngine(QVBoxLayout *column);
    void addData(QVBoxLayout *column);
    void chooseDataFolder();

    EngineService &m_engine;
    ConversationStore &m_store;
    Settings &m_settings;
    PageHeader *m_header;
    QWidget *m_content = nullptr;
    QVBoxLayout *m_page;
    RoleLabel *m_dataNote = nullptr;
};

} // namespace ui
