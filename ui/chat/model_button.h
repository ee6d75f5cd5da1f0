// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QPushButton>

namespace ui {

class EngineService;
class ModelLibrary;

// Shows the chosen model and how ready it is; its menu lists all that can be chosen.
class ModelButton final : public QPushButton
{
    Q_OBJECT

public:
    ModelButton(EngineService &engine, ModelLibrary &library, QWidget *parent = nullptr);

    void setKey(const QString &key);
    [[nodiscard]] const QString &key() const { return m_key; }
    [[nodiscard]] QSize sizeHint() const override;

signals:
    void keyChosen(const QString &key);
    void manageRequested(); // the Models page

protected:
    void paintEvent(QPaintEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    void showMenu();
    void refresh();
    [[nodiscard]] QString precision() const;

    EngineService &m_engine;
    ModelLibrary &m_library;
    QString m_key;
};

} // namespace ui
