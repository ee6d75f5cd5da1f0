// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QString>
#include <QVector>
#include <QWidget>

class QMenu;
class QPushButton;
class QVBoxLayout;

namespace ui {

class EngineService;
class ModelCard;
class ModelLibrary;
class PageHeader;
class RoleLabel;
class Settings;

// What is installed, what it takes, and adding more from disk.
class ModelsPage final : public QWidget
{
    Q_OBJECT

public:
    ModelsPage(EngineService &engine, ModelLibrary &library, Settings &settings, QWidget *parent = nullptr);

    bool addFromDisk(const QString &path); // the dialogs end here; false: the reason stands below the header

protected:
    void changeEvent(QEvent *event) override;
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dropEvent(QDropEvent *event) override;

private:
    void chooseFolder();
    void chooseFile();
    void rebuild();
    void refreshStates();
    void retranslate();
    void removeModel(const QString &key);
    void takeOffer(const QString &key, int index);
    void say(const QString &error);

    EngineService &m_engine;
    ModelLibrary &m_library;
    Settings &m_settings;
    PageHeader *m_header;
    QPushButton *m_add;
    QPushButton *m_addFile;
    RoleLabel *m_error;
    RoleLabel *m_hint;
    QVBoxLayout *m_list;
    QVector<ModelCard *> m_cards;
};

} // namespace ui
