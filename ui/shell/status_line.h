// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QTimer>
#include <QWidget>

namespace ui {

class EngineService;
class Settings;

// The 28 px at the bottom: device, memory in use, what each model does, and what just happened.
class StatusLine final : public QWidget
{
    Q_OBJECT

public:
    StatusLine(EngineService &engine, Settings &settings, QWidget *parent = nullptr);

    void say(const QString &message); // for some seconds, also told to screen readers
    void begin();                     // after the first paint: asking for devices may take a moment

protected:
    void paintEvent(QPaintEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    void refresh();

    EngineService &m_engine;
    Settings &m_settings;
    QTimer m_tick;
    QTimer m_messageEnd;
    QStringList m_parts;
    QString m_message;
    QString m_device;
};

} // namespace ui
