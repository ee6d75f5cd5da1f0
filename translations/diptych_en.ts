<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>ui::QuestionStrip</name>
    <message numerus="yes">
        <source>%n picture token(s)</source>
        <translation>
            <numerusform>%n picture token</numerusform>
            <numerusform>%n picture tokens</numerusform>
        </translation>
    </message>
</context>
</TS>
